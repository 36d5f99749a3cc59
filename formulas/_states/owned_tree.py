"""State of what an application writes: it is its own, with the modes that it needs.

In place of file.directory with `recurse`, which looks at each of a million files in every run.
"""

import fnmatch
import grp
import itertools
import os
import pwd
import random
import stat
from collections.abc import Callable, Iterator
from typing import Any

# Set by Salt's loader.
__opts__: dict[str, Any]
__utils__: dict[str, Callable[..., Any]]

LOOKED_INTO = 16  # folders, chosen at random, of which a file is looked at
# The application leaves it in the directory when it meets a file that it cannot read: then all are looked at.
MARK = ".unreadable"


def kept(
    name: str,
    user: str,
    group: str | None = None,
    dir_mode: str | None = None,
    file_mode: str | None = None,
    pattern: str = "*",
) -> dict[str, Any]:
    """What is below directory `name`, where it matches `pattern`, belongs to `user` and `group`, with these modes.

    What is directly in it is looked at in each run, and a file in some of its folders; all the rest only when one of
    these is not as it should be, or the application asks for it. A file that has several names is not touched: it may
    be another's.
    """
    try:
        wanted = pwd.getpwnam(user).pw_uid, grp.getgrnam(group).gr_gid if group else -1
    except KeyError as error:
        if __opts__["test"]:  # yet to be made, and so is what belongs to it
            return __utils__["results.clean"](name, f"{user} is yet to be made.")
        return __utils__["results.failed"](name, error)
    modes = {True: int(dir_mode, 8) if dir_mode else -1, False: int(file_mode, 8) if file_mode else -1}

    def well(found: os.stat_result) -> bool:
        return _well(found, wanted, modes)

    mark = os.path.join(name, MARK)
    try:
        asked = os.path.lexists(mark)
        if not asked and all(map(well, _some(name, pattern))):
            return __utils__["results.clean"](name, f"What is in {name} is {user}'s.")
        changed, left = _repaired(name, pattern, well, wanted, modes)
        if asked and not __opts__["test"]:
            os.unlink(mark)
    except OSError as error:
        return __utils__["results.failed"](name, error)
    return _told(name, user, changed, left)


def _told(name: str, user: str, changed: list[str], left: list[str]) -> dict[str, Any]:
    """What the state returns: `changed` are the paths that were not well, `left` those that have several names."""
    if left:
        more = f"{len(left)} files in {name} have several names and were left as they are, such as {left[0]}"
        others = "" if __opts__["test"] or not changed else f"; of the others {len(changed)} were made {user}'s"
        return __utils__["results.failed"](name, f"{more}: see whose they are{others}")
    if not changed:
        return __utils__["results.clean"](name, f"What is in {name} is {user}'s.")
    changes = {name: f"{len(changed)} files and directories, such as {changed[0]}"}
    if __opts__["test"]:
        return __utils__["results.pending"](name, changes, f"They would be made {user}'s.")
    return __utils__["results.changed"](name, changes, f"They were made {user}'s.")


def _well(found: os.stat_result, wanted: tuple[int, int], modes: dict[bool, int]) -> bool:
    """Whether a file, or directory, has its owner and mode; what is neither is not looked at."""
    folder = stat.S_ISDIR(found.st_mode)
    if not folder and not stat.S_ISREG(found.st_mode):
        return True
    owned = found.st_uid == wanted[0] and wanted[1] in (-1, found.st_gid)
    return owned and modes[folder] in (-1, stat.S_IMODE(found.st_mode))


def _some(top: str, pattern: str) -> Iterator[os.stat_result]:
    """What is directly in a directory, and the first of what is in some of its folders."""
    folders = []
    try:
        with os.scandir(top) as entries:
            for entry in entries:
                if fnmatch.fnmatch(entry.name, pattern):
                    yield entry.stat(follow_symlinks=False)
                    folders += [entry.path] if entry.is_dir(follow_symlinks=False) else []
        for folder in random.sample(folders, min(LOOKED_INTO, len(folders))):
            with os.scandir(folder) as entries:
                for entry in itertools.islice(entries, 1):
                    yield entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return  # a file that was just being received, or all of it in a preview


def _repaired(
    top: str, pattern: str, well: Callable[[os.stat_result], bool], wanted: tuple[int, int], modes: dict[bool, int]
) -> tuple[list[str], list[str]]:
    """Give each file and directory its owner and mode, unless this is a preview; the paths that lacked them, and those
    that were left. Each is changed where it was looked at: its owner may exchange it meanwhile.
    """
    changed, left = [], []
    for folder, folders, files, place in os.fwalk(top):
        if folder == top:
            folders[:] = fnmatch.filter(folders, pattern)
        for entry in (*folders, *(files if folder != top else fnmatch.filter(files, pattern))):
            path = os.path.join(folder, entry)
            try:
                descriptor = os.open(entry, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=place)
            except OSError:
                continue  # a link, a socket, or gone
            try:
                found = os.fstat(descriptor)
                if well(found):
                    continue
                if stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
                    left.append(path)
                    continue
                changed.append(path)
                if not __opts__["test"]:
                    _give(descriptor, wanted, modes[stat.S_ISDIR(found.st_mode)])
            finally:
                os.close(descriptor)
    return changed, left


def _give(descriptor: int, wanted: tuple[int, int], mode: int) -> None:
    os.fchown(descriptor, *wanted)
    if mode != -1:
        os.fchmod(descriptor, mode)
