"""State of a directory of code: a copy of one in file_roots.

Stands where file.recurse would, which takes a millisecond a file to find that nothing has changed.
"""

import os
import pathlib
import shutil
import stat
import tempfile
from typing import Any

# Set by Salt's loader.
__env__: str
__opts__: dict[str, Any]

IGNORED = "__pycache__"


def copied(
    name: str, source: str, executable: list[str] | None = None, keep: list[str] | None = None
) -> dict[str, Any]:
    """Directory `name` holds the files of `source` (salt://<folder>) and no others, root's and only root's to write.

    `executable` lists the files that may be executed, `keep` those that are not of `source` and stay. What Python makes
    of the code (__pycache__) is nobody's business.
    """
    result: dict[str, Any] = {"name": name, "result": True, "changes": {}, "comment": f"{name} is as {source}."}
    name = os.path.realpath(name)
    roots = [os.path.join(root, source.removeprefix("salt://")) for root in __opts__["file_roots"][__env__]]
    origin = next((root for root in roots if os.path.isdir(root)), "")
    wanted, there = _entries(origin, follow=True), _entries(name)
    if not any(stat.S_ISREG(status.st_mode) for status in wanted.values()):
        return result | {"result": False, "comment": f"{source} is in none of the file_roots, or empty"}
    kept = {str(part) for path in keep or () for part in (pathlib.PurePath(path), *pathlib.PurePath(path).parents)}
    changes = {path: "removed" for path in sorted(there.keys() - wanted.keys() - kept, reverse=True)}
    for path in sorted(wanted):
        new, old = os.path.join(origin, path), os.path.join(name, path) if path else name
        mode = 0o755 if os.path.isdir(new) or path in (executable or ()) else 0o644
        if path not in there:
            changes[path] = "added"
        elif not _same(new, old, there[path]):
            changes[path] = "changed"
        elif (there[path].st_mode & 0o7777, there[path].st_uid, there[path].st_gid) != (mode, 0, 0):
            changes[path] = "made root's"
        if path in changes and not __opts__["test"]:
            _make(new, old, mode)
    if not changes:
        return result
    result["changes"] = changes
    if "removed" in changes.values() and not __opts__["test"]:
        os.utime(name)  # for those who ask whether they are older: nothing else tells of a file that is gone
    if __opts__["test"]:
        return result | {"result": None, "comment": f"{name} would change: {len(changes)} files and directories."}
    for path in (path for path, what in changes.items() if what == "removed"):
        _remove(f"{name}/{path}")
    return result | {"comment": f"{name} changed: {len(changes)} files and directories."}


def _entries(top: str, follow: bool = False) -> dict[str, os.stat_result]:
    """Files and directories below `top` with their status, by path; `top` itself is the empty path.

    With `follow`, links are what they point to, and nothing where they point to nothing.
    """
    found = {}
    for folder, folders, files in os.walk(top, followlinks=follow):
        folders[:] = [item for item in folders if item != IGNORED]
        for path in (folder, *(os.path.join(folder, item) for item in (*folders, *files))):
            status = os.stat(path) if follow and os.path.exists(path) else os.lstat(path)
            if not (follow and stat.S_ISLNK(status.st_mode)):
                found["" if path == top else os.path.relpath(path, top)] = status
    return found


def _same(origin: str, path: str, status: os.stat_result) -> bool:
    """Whether both are directories, or regular files of one content."""
    if os.path.isdir(origin) or not stat.S_ISREG(status.st_mode):
        return os.path.isdir(origin) and stat.S_ISDIR(status.st_mode)
    if status.st_size != os.path.getsize(origin):
        return False
    with open(origin, "rb") as wanted, open(path, "rb") as there:
        return wanted.read() == there.read()


def _make(origin: str, path: str, mode: int) -> None:
    """Put one file or directory there; a reader sees the old content or the new."""
    folder = os.path.isdir(origin)
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
