"""Who may change what root loads in a run: the tree, and Salt itself."""

import functools
import grp
import os
import pathlib
import pwd
import stat
from collections.abc import Iterator

from checks.situation import Fault, Situation

ROOT = pathlib.Path("/")
SALT = ("/opt/phagescan-salt", "/usr/local/bin", "/var/cache/salt/phagescan", "/etc/salt")


def writers(situation: Situation) -> Iterator[Fault]:
    """No one but root and the owner of the checkout writes what is in it, what Salt is, or where these are."""
    owner = checkout_owner(situation.checkout)
    loaded = [path for folder in situation.checkout for path in _below(_here(folder))]
    places = [_here(path) for path in (*situation.checkout, *SALT)]
    places += [place.resolve() for place in places]
    above = {parent for place in places for parent in (place, *place.parents) if parent.is_relative_to(ROOT)}
    for path in (*sorted(above), *loaded):
        if who := _stranger(path, owner):
            name = "/" + str(path.relative_to(ROOT)).removeprefix(".")
            yield Fault(name, f"{who} may change it, and root loads what is there: chown or chmod go-w {name}")
            return  # where one is so, others are


def notes(folders: list[str]) -> list[str]:
    """What is to be known of it, and stops nothing."""
    owner = checkout_owner(folders)
    return [f"checkout: it belongs to {_user(owner)}, who with it is root on this host"] if owner else []


def checkout_owner(folders: list[str]) -> int:
    """Number of the user whose the checkout is."""
    parent = _here(folders[0]).parent if folders else ROOT
    return parent.stat().st_uid if parent.exists() else 0


def _below(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    for parent, folders, files in os.walk(folder):
        yield from (pathlib.Path(parent, name) for name in (*folders, *files))


def _stranger(path: pathlib.Path, owner: int) -> str:
    """Who besides root and the owner may change what is at a path; nothing for no one, or where nothing is."""
    try:
        status = path.lstat()
    except OSError:
        return ""
    if stat.S_ISLNK(status.st_mode):
        return ""  # it leads where its folder's writers want it to
    if status.st_uid not in (0, owner):
        return f"user {_user(status.st_uid)}"
    if status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:
        return "everyone"
    members = _members(status.st_gid) - {"root", _user(owner)} if status.st_mode & stat.S_IWGRP else set()
    return f"group {_group(status.st_gid)} ({', '.join(sorted(members)[:3])})" if members else ""


@functools.cache
def _members(gid: int) -> frozenset[str]:
    """Users who are in a group, by their own entry as well; a number without a name may be anyone's."""
    try:
        listed = grp.getgrgid(gid).gr_mem
    except KeyError:
        return frozenset({"without a name"})
    return frozenset([*listed, *(user.pw_name for user in pwd.getpwall() if user.pw_gid == gid)])


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


@functools.cache
def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _here(path: str) -> pathlib.Path:
    return ROOT / path.lstrip("/")


CHECKS = (writers,)
