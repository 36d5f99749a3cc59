"""Whether a process was started after the files it has read were last changed.

`watch` alone forgets: a run killed between writing a file and restarting its reader leaves a reader of the
old file that no later run would touch. So the states that start processes compare times, too.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any


def newest_watched(
    low: Mapping[str, Any], lowstate: Iterable[Mapping[str, Any]], counts: Callable[[str], bool] = bool
) -> tuple[float, str]:
    """Latest change (seconds since 1970) of the paths that the states in `low`'s watch manage and that count, and that path."""
    newest = (0.0, "")
    for chunk in filter(_is_file, _watched(low, lowstate)):
        newest = max([newest, *((_changed(path), path) for path in filter(counts, _paths(chunk)))])
    return newest


def watches_files_only(low: Mapping[str, Any], lowstate: Iterable[Mapping[str, Any]]) -> bool:
    """Whether `newest_watched` knows of every change that `low` watches for."""
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
        return max(os.lstat(path).st_mtime, os.stat(path).st_mtime)
    except OSError:
        return 0.0


def process_started(pid: int) -> float:
    """When process `pid` was started, in seconds since 1970 (proc(5): field 22, in clock ticks since boot)."""
    with open(f"/proc/{pid}/stat") as stat:
        ticks = int(stat.read().rpartition(")")[2].split()[19])
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK")
