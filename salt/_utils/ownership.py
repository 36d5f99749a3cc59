"""Whose is what a run would take: ours, as an earlier run has recorded it, free, or somebody's.

What a run takes is read from its own states, so that no list is kept beside them. The record has a line for each, such
as `file /etc/gunicorn/gunicorn.conf.py`, and is written before anything is changed. Only what is not recorded is looked
at: a run that changes nothing reads one file.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from claims import Chunk, Found, found, here
from salt.exceptions import CommandExecutionError

RECORD = "/etc/phagescan.owned"
# Settings of a host that a release without this record has converged.
FORMER = ("/etc/phagescan/master.toml", "/etc/phagescan/worker.toml")
BROKERS = ("vhost", "broker user")
RENAMED = ("user", "group", "directory")  # what may have another name than the manual's
CLUSTERS = "etc/postgresql"


def recorded(path: str = RECORD) -> set[str] | None:
    """What earlier runs have taken; None where there is no record."""
    try:
        return set(here(path).read_text().splitlines())
    except FileNotFoundError:
        return None


def former() -> bool:
    """Whether a release without a record has converged this host."""
    return any(here(path).exists() for path in FORMER)


def ours(path: str) -> bool:
    """Whether an earlier run has made a file."""
    known = recorded()
    return former() and os.path.lexists(here(path)) if known is None else f"file {path}" in known


def record(known: Iterable[str], path: str = RECORD) -> None:
    """Write the record; it is on the disk before this returns."""
    here(path).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = here(f"{path}.new")
    with new.open("w") as file:
        file.write("".join(f"{what}\n" for what in sorted(known)))
        file.flush()
        os.fsync(file.fileno())
    new.replace(here(path))


def judge(
    chunks: Iterable[Chunk], settings: Mapping[str, Any], **asked: Callable[..., Any]
) -> tuple[list[str], set[str], bool]:
    """Lines about what is somebody's; what a run takes that is not recorded; and whether that is adopted: taken without
    a look from the release that has converged this host before there was a record.

    `chunks` are the states of the run in Salt's low form, `settings` those of phagescan, rabbitmq and postgresql;
    `broker` and `cluster` are asked what they have, where `installed` says that there is a broker; `databases` are the
    broker's, also of one that is stopped.
    """
    known, chunks = recorded(), list(chunks)
    adopted = known is None and former()
    known = known or set()
    taken = set(settings["phagescan"].get("take", ()))
    lines, new = [], set()
    for each in (*found(chunks, known), *_topology(chunks, known, settings, {} if adopted else asked)):
        new |= {each.what} - known if each.given else set()
        if each.reason and not adopted and not (each.given and each.what in taken):
            lines.append(_line(each, settings["phagescan"]))
    return list(dict.fromkeys(lines)), new, adopted


def _line(each: Found, phagescan: Mapping[str, Any]) -> str:
    """What an operator reads: what it is, why, and what to do."""
    kind, _, name = each.what.rpartition(" ")
    if not each.given:
        return f"{each.what}: {each.reason}"
    advice = "move it away" if kind in ("file", "directory") else "rename or remove it"
    if kind in BROKERS and each.reason.endswith("removed"):
        advice = "take it out of rabbitmq:absent"
    key = next(_keys({"phagescan": phagescan}, name), "") if kind in RENAMED else ""
    advice += f", choose another name ({key})" if key else ""
    give = f"give it to Phagescan (phagescan:take: ['{each.what}'] in pillar/local.sls)"
    return f"{each.what}: {each.reason}; {advice}, or {give}"


def _keys(settings: Mapping[str, Any], name: str, path: str = "") -> Iterator[str]:
    """Keys of pillar at which there is this name."""
    for key, value in settings.items():
        if value == name:
            yield f"{path}{key}"
        elif isinstance(value, Mapping):
            yield from _keys(value, name, f"{path}{key}:")


def _topology(
    chunks: list[Chunk], known: set[str], settings: Mapping[str, Any], asked: Mapping[str, Callable[..., Any]]
) -> Iterator[Found]:
    """Names at a broker and in a cluster that were here first; they are asked only for what is not recorded, and not
    without `asked`.
    """
    of = {chunk["state"]: chunk for chunk in chunks}
    if "rabbitmq_topology" in of:
        wanted = settings["rabbitmq"]
        names = {"vhost": list(wanted["vhosts"]), "broker user": list(wanted["users"])}
        first = not any(what.startswith("broker user ") for what in known)
        absent = {"broker user": wanted["absent"].get("users", []), "vhost": wanted["absent"].get("vhosts", [])}
        removed = {f"{kind} {name}" for kind, listed in absent.items() for name in listed if first}

        def broker() -> set[str]:
            there = asked["broker"]() if asked["installed"]() else {}
            kinds = {"vhost": there.get("vhosts", []), "broker user": there.get("users", [])}
            return {f"{kind} {entry['name']}" for kind, entries in kinds.items() for entry in entries}

        empty = not (asked and asked["databases"]())
        yield from _names(names, removed, known, broker if asked else set, "rabbitmq-server", empty)
    if "postgresql_topology" in of and "postgresql_cluster" in of:
        wanted, place = settings["postgresql"], here(CLUSTERS) / of["postgresql_cluster"]["name"]
        names = {"role": list(wanted["roles"]), "database": list(wanted["databases"])}

        def cluster() -> set[str]:
            there = asked["cluster"](wanted["port"])
            kinds = {"role": there["roles"], "database": there["databases"]}
            return {f"{kind} {name}" for kind, entries in kinds.items() for name in entries}

        yield from _names(names, set(), known, cluster if asked and place.exists() else set, "postgresql", empty=False)


def _names(
    names: dict[str, list[str]],
    removed: set[str],
    known: set[str],
    ask: Callable[[], set[str]],
    service: str,
    empty: bool,
) -> Iterator[Found]:
    new = {f"{kind} {name}" for kind, listed in names.items() for name in listed} - known
    if not new | removed:
        return
    try:
        there = ask()
    except CommandExecutionError as error:
        there = set()
        if not empty:
            said = f"was here first and does not answer, so that it is not known whose names it has ({error})"
            yield Found(f"service {service}", f"{said}; start it: service {service} start", given=False)
    for what in sorted(new | removed):
        how = "removed" if what in removed else "changed"
        yield Found(what, f"was at {service} first and would be {how}" if what in there else "")
