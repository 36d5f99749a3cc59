"""What a run would take of a host, read from its states, and whose that is where no record says it."""

import contextlib
import grp
import hashlib
import os
import pathlib
import pwd
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

ROOT = pathlib.Path("/")
UNITS = (
    *("etc/systemd/system", "run/systemd/system", "run/systemd/transient"),
    *("usr/local/lib/systemd/system", "usr/lib/systemd/system"),
)
SERVICE = re.compile(r"/(?:(?:etc|usr/local/lib)/systemd/system/([^/]+)\.service|etc/init\.d/([^/]+))")

Chunk = Mapping[str, Any]


class Found(NamedTuple):
    """What a run would take: as it is recorded, why it is somebody's (empty: it is free), and whether pillar can give
    it away.
    """

    what: str
    reason: str
    given: bool = True


def found(chunks: list[Chunk], known: set[str]) -> Iterator[Found]:
    """Files, directories, services, users, groups and programs of Supervisor; those that are recorded are not looked
    at.
    """
    files = {chunk["name"] for chunk in chunks if (chunk["state"], chunk["fun"]) != ("file", "absent")}
    for chunk in chunks:
        function = f"{chunk['state']}.{chunk['fun']}"
        kind, look = LOOKS.get(function) or LOOKS.get(chunk["state"]) or ("", None)
        if not look:
            continue
        what = f"{kind} {chunk['name']}"
        reason = "" if what in known else look(chunk)
        if function == "file.absent":
            if reason:
                yield Found(what, reason)
            continue
        yield Found(what, reason)
        if kind == "file" and (service := SERVICE.fullmatch(chunk["name"])):
            yield from _service(service[1] or service[2], files, what in known)


def _service(name: str, files: set[str], made: bool) -> Iterator[Found]:
    """Units and scripts of a service's name that are not ours. A service that is ours may have an operator's drop-ins,
    and no socket: systemd would hand that to it.
    """
    places = [here(f"{top}/{name}.socket") for top in UNITS]
    if not made:
        places = [path for top in UNITS for path in (*here(top).glob(f"{name}.*"), *here(top).glob(f"{name}.*.d/*"))]
        places.append(here(f"etc/init.d/{name}"))
    for path in places:
        shown = f"/{path.relative_to(ROOT)}"
        if os.path.lexists(path) and shown not in files and path.suffix != ".d":
            reason = f"belongs to a service {name} that is not ours, which has that name as well; disable and remove it"
            yield Found(f"file {shown}", reason, given=False)


def here(path: str) -> pathlib.Path:
    """A path of this host."""
    return ROOT / path.lstrip("/")


def _file(chunk: Chunk) -> str:
    return "is not ours and would be replaced" if os.path.lexists(here(chunk["name"])) else ""


def _link(chunk: Chunk) -> str:
    with contextlib.suppress(OSError):
        if os.readlink(here(chunk["name"])) == chunk.get("target"):
            return ""
    return _file(chunk)


def _absent(chunk: Chunk) -> str:
    return _file(chunk).replace("replaced", "removed")


def _packaged(chunk: Chunk) -> str:
    """A link to a package's file goes where nothing in that was changed."""
    path = here(chunk["name"])
    if not path.is_symlink() or not path.exists():
        return ""
    digest = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    status = here("var/lib/dpkg/status").read_text(errors="replace").splitlines()
    return (
        "" if f" /{path.resolve().relative_to(ROOT)} {digest}" in status else "was changed here and would be disabled"
    )


def _directory(chunk: Chunk) -> str:
    """A directory that is there is shared, unless it is another user's or is cleaned."""
    path = here(chunk["name"])
    if not path.is_dir():
        return _file(chunk)
    if chunk.get("clean"):
        return _filled(chunk)
    try:
        owner = pwd.getpwuid(path.stat().st_uid).pw_name
    except KeyError:
        owner = str(path.stat().st_uid)
    return f"is {owner}'s and would be {user}'s" if (user := chunk.get("user", owner)) != owner else ""


def _filled(chunk: Chunk) -> str:
    path = here(chunk["name"])
    if not path.is_dir():
        return _file(chunk)
    other = next(path.iterdir(), None)
    return f"holds {other.name}, which is not ours and would be removed" if other else ""


def _user(chunk: Chunk) -> str:
    """One that is as it would be made is taken, wherever it comes from."""
    try:
        there = pwd.getpwnam(chunk["name"])
    except KeyError:
        return ""
    has = {"home": there.pw_dir, "shell": there.pw_shell, "gid": str(there.pw_gid)}
    with contextlib.suppress(KeyError):
        has["gid"] = grp.getgrgid(there.pw_gid).gr_name
    other = [f"{word.replace('gid', 'group')} {has[word]}" for word in has if chunk.get(word, has[word]) != has[word]]
    return f"is not ours (uid {there.pw_uid}, {', '.join(other)}) and would be changed" if other else ""


def _group(chunk: Chunk) -> str:
    """A group without other members is as good as a new one."""
    try:
        there = grp.getgrnam(chunk["name"])
    except KeyError:
        return ""
    primary = {user.pw_name for user in pwd.getpwall() if user.pw_gid == there.gr_gid}
    others = sorted((primary | set(there.gr_mem)) - {chunk["name"]})
    return f"has members who would read what is the application's: {', '.join(others)}" if others else ""


def _program(chunk: Chunk) -> str:
    section = re.compile(rf"^\s*\[program:{re.escape(chunk['name'])}\]", re.MULTILINE)
    mine = f"{chunk['name']}.conf"
    for path in sorted(here("etc/supervisor").glob("**/*.conf")):
        if path.name != mine and section.search(path.read_text(errors="replace")):
            return f"is of /{path.relative_to(ROOT)}, which is not ours"
    return ""


LOOKS: dict[str, tuple[str, Callable[[Chunk], str]]] = {
    "file.managed": ("file", _file),
    "file.symlink": ("file", _link),
    "file.absent": ("file", _absent),
    "file.directory": ("directory", _directory),
    "dpkg.link_absent": ("file", _packaged),
    "certificate": ("file", _file),
    "user.present": ("user", _user),
    "group.present": ("group", _group),
    "supervisor_program": ("supervisor program", _program),
    "source_tree": ("directory", _filled),
    "python_lock": ("directory", _filled),
    "django_site.collected": ("directory", _filled),
}
