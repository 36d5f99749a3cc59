"""Checks pillar and host: what keeps a run from ending well, a line each. See the package checks."""

import copy
import json
import pathlib
import socket
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import inherited
from checks import (
    archive,
    broker,
    database,
    host,
    limits,
    listening,
    names,
    network,
    passwords,
    paths,
    proxies,
    sites,
    supervisor,
    tls,
    writers,
)
from checks.schema import faults as schema_faults
from checks.schema import key as schema_key
from checks.schema import suggestion
from checks.situation import Fault, Situation, look_up

OF_PILLAR = (names, paths, network, proxies, broker, limits, passwords)
OF_HOST = (
    *(names, paths, network, proxies, broker, limits, tls),
    *(database, host, listening, sites, supervisor, archive, passwords, writers),
)


def schemas(paths: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The schema of each namespace, from files `<folder>/schema.json`: of the folder, or of its key `namespace`."""
    found = {}
    for path in map(pathlib.Path, paths):
        schema = json.loads(path.read_text())
        found[schema.pop("namespace", path.parent.name)] = schema
    return found


def faults(
    pillar: Mapping[str, Any],
    known: Mapping[str, dict[str, Any]],
    defaults: Mapping[str, dict[str, Any]],
    grains: dict[str, Any],
    merge: Callable[..., dict[str, Any]],
    of_host: bool,
    **facts: Any,
) -> list[str]:
    """What is wrong with pillar, and with the host where that is asked for: a line each, the key first.

    `known` are the schemas and `defaults` the defaults of each namespace, `merge` is layers.merge; `facts` belong to
    the Situation. What is only for want of a key that was refused is left out.
    """
    lines, kept, removed = _refused(pillar, known, defaults, grains)
    get = partial(look_up, kept)
    situation = Situation(
        settings={name: merge(defaults[name], inherited.of(name, get, grains), kept.get(name) or {}) for name in known},
        given=kept,
        roles=inherited.roles(get, grains),
        **facts,
    )
    for module in OF_HOST if of_host else OF_PILLAR:
        for check in module.CHECKS if of_host else module.PILLAR:
            lines += [f"{fault.key}: {fault.reason}" for fault in check(situation) if not _concerns(fault, removed)]
    return lines


def notes(
    checkout: list[str],
    site: Mapping[str, Any],
    look: Callable[[], Any],
    clocks: Iterable[tuple[str, float]] = (),
    log: str = "",
) -> list[str]:
    """What does not keep a run from ending well, and is to be known. `checkout` are the directories that Salt serves
    from, `site` is the application's site of nginx, `look` is packages.look; `clocks` are workers with the seconds that
    their clocks are ahead of this host's, `log` is what the application says.
    """
    elsewhere = sites.notes({"phagescan": site}) if site else ()
    return [
        *archive.notes(look),
        *writers.notes(checkout),
        *limits.notes(site),
        *elsewhere,
        *host.notes(clocks),
        *_of_site(site, log),
    ]


def _of_site(site: Mapping[str, Any], log: str) -> list[str]:
    """What a master alone may have: a name that browsers ask for, and proxies in front."""
    return [*names.notes(socket.gethostname()), *proxies.notes(site.get("proxies") or [], log)] if site else []


def _refused(
    pillar: Mapping[str, Any],
    known: Mapping[str, dict[str, Any]],
    defaults: Mapping[str, dict[str, Any]],
    grains: dict[str, Any],
) -> tuple[list[str], dict[str, Any], set[str]]:
    """What the schemas refuse, a line each; the pillar without it; and the keys that this took away."""
    lines, removed = [], set()
    kept = {name: pillar[name] for name in known if name in pillar}
    for name in pillar:
        if name not in known and (hint := suggestion(name, known)):
            lines.append(f"{name}: is not a key{hint}")
    for name, schema in known.items():
        found = schema_faults(kept.get(name, {}), schema, (name,))
        if not found:
            continue
        kept[name] = copy.deepcopy(kept.get(name, {}))
        others = (defaults[name], inherited.of(name, partial(look_up, pillar), grains))
        for path, reason in found:
            if reason.startswith("is missing") and any(_has(layer, path[1:]) for layer in others):
                continue  # it has a default, or is inherited; what that comes from is checked there
            lines.append(f"{schema_key(path)}: {reason}")
            removed.add(schema_key(_drop(kept, path)))
    return lines, kept, removed


def _has(layer: Any, path: tuple[Any, ...]) -> bool:
    """Whether there is a key at a path, with whatever value."""
    for part in path:
        if not isinstance(layer, Mapping) or part not in layer:
            return False
        layer = layer[part]
    return True


def _concerns(fault: Fault, removed: set[str]) -> bool:
    """Whether a fault is about a key, or one below it, that was removed."""
    for name in (fault.key, *fault.others):
        parts = name.split(":")
        if any(":".join(parts[:end]) in removed for end in range(1, len(parts) + 1)):
            return True
    return False


def _drop(pillar: Any, path: tuple[Any, ...]) -> tuple[Any, ...]:
    """Take out what is at a path, or the list that it is in, and say where that was."""
    for depth, part in enumerate(path[:-1]):
        if not isinstance(pillar.get(part), dict):
            path = path[: depth + 1]
            break
        pillar = pillar[part]
    pillar.pop(path[-1], None)
    return path
