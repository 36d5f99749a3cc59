"""Whether a service has read its files as they are now, and what is to be done where it has not.

`watch` alone forgets: a run that is killed between writing a file and restarting its reader leaves a reader of the old
file that no later run would touch. So the states that start processes compare times as well.
"""

import os
import pathlib
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

# Set by Salt's loader.
__opts__: dict[str, Any]

# A file here per path that changed in a way that its own times do not show: something below it was removed or replaced.
# Cleared by a boot, after which every service has read its files.
CHANGED = pathlib.Path("/run/salt-daemon/changed")


def decide(status: Mapping[str, Any], changes: Mapping[str, str], reload: bool = False) -> dict[str, str]:
    """Actions that a service needs, in order, each with its reason. Nothing else is looked at.

    `status` is one of daemon.status; `changes` has a path that `starts` the service and one that it `reads`, where they
    are newer than it. Each row is a service that is enabled and not masked; else `enable` comes last, `unmask` first.

    =======  ==========  ======  =====  ======  ==========
    running  unwritable  starts  reads  reload  action
             elsewhere
    =======  ==========  ======  =====  ======  ==========
    no       any         any     any    any     start
    yes      path        any     any    any     restart
    yes                  path    any    any     restart
    yes                          path   no      restart
    yes                          path   yes     reload
    yes                                 any
    =======  ==========  ======  =====  ======  ==========
    """
    actions = {}
    if status.get("masked"):
        actions["unmask"] = "it was masked"
    if not status["running"]:
        actions["start"] = "it was stopped"
    elif status.get("unwritable"):
        actions["restart"] = f"it cannot write {status['unwritable']}, which was made again"
    elif status.get("elsewhere"):
        actions["restart"] = f"its {status['elsewhere']} is not this host's: something was mounted or unmounted there"
    elif changes.get("starts"):
        actions["restart"] = f"{changes['starts']} is newer"
    elif changes.get("reads"):
        actions["reload" if reload else "restart"] = f"{changes['reads']} is newer"
    if not status["enabled"]:
        actions["enable"] = "it was disabled"
    return actions


def note(path: str) -> None:
    """Record that `path`, a directory, has changed now; services that watch it and started earlier are restarted."""
    CHANGED.mkdir(mode=0o755, parents=True, exist_ok=True)
    _record(path).touch()


def newest_watched(
    low: Mapping[str, Any], lowstate: Iterable[Mapping[str, Any]], counts: Callable[[str], bool] = bool
) -> tuple[float, str]:
    """Latest change (seconds since 1970) of the paths that the states in `low`'s watch manage and that count; the
    path.
    """
    newest = (0.0, "")
    for chunk in filter(_is_file, _watched(low, lowstate)):
        newest = max([newest, *((_changed(path), path) for path in filter(counts, _paths(chunk)))])
        if counts(chunk["name"]):
            newest = max(newest, (_noted(chunk["name"]), chunk["name"]))
    return newest


def watches_files_only(low: Mapping[str, Any], lowstate: Iterable[Mapping[str, Any]]) -> bool:
    """Whether `newest_watched` sees every change that `low` watches for."""
    return all(map(_is_file, _watched(low, lowstate)))


def _watched(low: Mapping[str, Any], lowstate: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    wanted = {(state, ident) for item in low.get("watch", ()) for state, ident in item.items()}
    for chunk in lowstate:
        if wanted & {(chunk["state"], chunk["__id__"]), (chunk["state"], chunk["name"]), ("sls", chunk["__sls__"])}:
            yield chunk


def _is_file(chunk: Mapping[str, Any]) -> bool:
    return str(chunk["name"]).startswith("/") and chunk["fun"] != "directory"


def _paths(chunk: Mapping[str, Any]) -> list[str]:
    name = str(chunk["name"])
    if chunk["fun"] in ("absent", "link_absent"):
        return [os.path.dirname(name)]
    if chunk["state"] != "source_tree":
        return [name]
    paths = [name]
    for folder, folders, files in os.walk(name):
        folders[:] = [item for item in folders if item != "__pycache__"]
        paths += [os.path.join(folder, item) for item in files]
    return paths


def _changed(path: str) -> float:
    try:
        changed = max(os.lstat(path).st_mtime, os.stat(path).st_mtime)
    except OSError:
        return 0.0
    return changed if changed <= time.time() + 1 else _now(path)


def _now(path: str) -> float:
    """Date to now what the future is the date of: the clock was ahead then, and services that have read it since would
    be restarted in each run until that time.
    """
    if not __opts__["test"]:
        for follow in (True, False):
            with suppress(OSError):
                if os.stat(path, follow_symlinks=follow).st_mtime > time.time():
                    os.utime(path, follow_symlinks=follow)
    return time.time()


def _noted(path: str) -> float:
    return _changed(str(_record(path)))


def _record(path: str) -> pathlib.Path:
    return CHANGED / urllib.parse.quote(os.path.realpath(path), safe="")
