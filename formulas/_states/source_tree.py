"""State of a directory of code: a copy of one that Salt serves.

In place of file.recurse, which takes a millisecond a file to find that nothing has changed.
"""

import os
import pathlib
import shutil
import stat
import tempfile
from collections.abc import Callable
from typing import Any

# Set by Salt's loader.
__opts__: dict[str, Any]
__salt__: dict[str, Callable[..., Any]]
__utils__: dict[str, Callable[..., Any]]

IGNORED = "__pycache__"


def copied(
    name: str, source: str, executable: list[str] | None = None, keep: list[str] | None = None
) -> dict[str, Any]:
    """Directory `name` holds the files of `source` (salt://<folder>) and no others; only root may write them.

    `executable` lists the files that may be executed, `keep` those that are not in `source` and stay. What Python makes
    of the code (__pycache__) is ignored.
    """
    top = os.path.realpath(name)
    wanted, there = _served(source), _entries(top)
    if not wanted:
        return __utils__["results.failed"](name, f"{source} is in none of the file_roots, or empty")
    kept = {str(part) for path in keep or () for part in (pathlib.PurePath(path), *pathlib.PurePath(path).parents)}
    changes = {path: "removed" for path in sorted(there.keys() - wanted.keys() - kept, reverse=True)}
    for path, origin in sorted(wanted.items()):
        old, mode = os.path.join(top, path) if path else top, 0o644 if origin else 0o755
        if path in (executable or ()):
            mode = 0o755
        if path not in there:
            changes[path] = "added"
        elif not _same(origin, old, there[path]):
            changes[path] = "changed"
        elif (there[path].st_mode & 0o7777, there[path].st_uid, there[path].st_gid) != (mode, 0, 0):
            changes[path] = "made root's"
        if path in changes and not __opts__["test"]:
            _make(origin, old, mode)
    if not changes:
        return __utils__["results.clean"](name, f"{name} is as {source}.")
    count = f"{len(changes)} files and directories"
    if __opts__["test"]:
        return __utils__["results.pending"](name, changes, f"{name} would change: {count}.")
    removed = [path for path, what in changes.items() if what == "removed"]
    for path in removed:
        _remove(f"{top}/{path}")
    if removed:
        __utils__["freshness.note"](top)  # the files that are left do not show it
    return __utils__["results.changed"](name, changes, f"{name} changed: {count}.")


def _served(source: str) -> dict[str, str]:
    """Files of `source` with where they can be read, and directories with nothing; the top one is the empty path."""
    folder = source.removeprefix("salt://") + "/"
    served = __salt__["served.files"]()
    files = {name.removeprefix(folder): path for name, path in served.items() if name.startswith(folder)}
    folders = {str(parent) for path in files for parent in pathlib.PurePath(path).parents}
    return files | {"" if folder == "." else folder: "" for folder in folders}


def _entries(top: str) -> dict[str, os.stat_result]:
    """Files and directories below `top` with their status, by path; `top` itself is the empty path."""
    found = {}
    for folder, folders, files in os.walk(top):
        folders[:] = [item for item in folders if item != IGNORED]
        for path in (folder, *(os.path.join(folder, item) for item in (*folders, *files))):
            found["" if path == top else os.path.relpath(path, top)] = os.lstat(path)
    return found


def _same(origin: str, path: str, status: os.stat_result) -> bool:
    """Whether `path` is a regular file with the content of `origin`, or a directory where that is empty."""
    if not origin or not stat.S_ISREG(status.st_mode):
        return not origin and stat.S_ISDIR(status.st_mode)
    if status.st_size != os.path.getsize(origin):
        return False
    with open(origin, "rb") as wanted, open(path, "rb") as there:
        return wanted.read() == there.read()


def _make(origin: str, path: str, mode: int) -> None:
    """Put one file, or a directory, at `path`; a reader sees the old content or the new."""
    folder = not origin
    if os.path.lexists(path) and (os.path.islink(path) or os.path.isdir(path) != folder):
        _remove(path)
    new = path
    if folder:
        os.makedirs(path, exist_ok=True)
    elif not os.path.lexists(path) or not _same(origin, path, os.lstat(path)):
        descriptor, new = tempfile.mkstemp(dir=os.path.dirname(path))
        with open(descriptor, "wb") as file, open(origin, "rb") as wanted:
            shutil.copyfileobj(wanted, file)
    os.chown(new, 0, 0)
    os.chmod(new, mode)
    if new != path:
        os.replace(new, path)


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)
