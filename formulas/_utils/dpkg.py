"""What dpkg's database says about a run that was interrupted, read without a process."""

import fcntl
import os
import pathlib
import re

UPDATES = "/var/lib/dpkg/updates"
DATABASE = "/var/lib/dpkg/status"
# apt holds the first as long as it works, dpkg both.
LOCKS = ("/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock")
# What `dpkg --audit` calls half done (dpkg(1), package states).
STATES = rb"half-installed|unpacked|half-configured|triggers-awaited|triggers-pending"
HALF = re.compile(rb"^Status: (\S+ reinstreq \S+|.* (%s))$" % STATES, re.MULTILINE)


def interrupted() -> bool:
    """Whether a dpkg run was interrupted and is to be completed: no other process is doing it."""
    return unfinished() and all(map(_free, LOCKS))


def unfinished() -> bool:
    """Whether a dpkg run is to be completed, be it by who is at work; until then apt refuses everything."""
    # Entries that were not yet merged into dpkg's database are named by their number.
    if os.path.isdir(UPDATES) and os.listdir(UPDATES):
        return True
    return HALF.search(pathlib.Path(DATABASE).read_bytes()) is not None


def _free(path: str) -> bool:
    """Whether a lock is free."""
    try:
        with open(path, "r+b") as file:  # which gives it back at once, and makes none where there is none
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
