"""One run at a time, as it was meant: the second fails and says which one is running, and so does an argument that
Salt would ignore. A run of single SLS files takes nothing of others, as a highstate.

Salt's own check reads files that runs leave about. Two that start in one instant refuse each other, a preview keeps a
run from starting, and after a power cut a file may name a process that is another's by now. The kernel's lock goes
with its process, however that ends; no program that the run starts inherits it.
"""

import contextlib
import fcntl
import glob
import itertools
import logging
import os
import pathlib
import time
from collections.abc import Callable
from typing import Any

from salt.exceptions import CommandExecutionError

# Set by Salt's loader.
__salt__: dict[str, Callable[..., Any]]

# ./bootstrap takes the same one while it installs. In a directory that is root's: others could hold it for ever.
LOCK = "/run/phagescan-salt.lock"
# What Salt writes before it is moved to its place, for milliseconds each. A run that was killed leaves the last one:
# secrets and all, or a rule for logrotate that is there twice.
RANDOM = "[a-z0-9_]" * 8  # as tempfile makes it, and as no administrator's copy ends
LEFT = ("/tmp/__salt.tmp.*", f"/etc/phagescan/*.toml{RANDOM}", f"/etc/logrotate.d/phagescan{RANDOM}")  # noqa: S108
# Salt ignores an argument that it does not know: `tset=True` would be a real run.
KNOWN = {
    *("test", "pillar", "pillar_enc", "pillarenv", "saltenv", "exclude", "whitelist", "mods", "sls", "id_", "name"),
    *("queue", "concurrent", "localconfig", "mock", "cache", "skip_cached", "sync_mods", "state_events", "terse"),
}
RUNS = ("state.apply", "state.highstate", "state.sls", "state.sls_id", "state.top")
OWNERSHIP = "ownership"  # SLS of the check that every role includes: whose is what a run would take


def execute(
    opts: dict[str, Any], data: dict[str, Any], func: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]
) -> None:
    """Take the lock for what changes the host, and leave the call itself to the next executor; a preview needs none."""
    if data["fun"] not in RUNS:
        return
    for name in kwargs:
        if name not in KNOWN and not name.startswith("__"):
            raise _refusal(f"{data['fun']}: {name} is not an argument; a preview is test=True")
    if data["fun"] in ("state.apply", "state.sls"):
        _guard(args, kwargs)
    if not kwargs.get("test", opts.get("test")):
        _lock(data["fun"])
        _tidy()
    kwargs["concurrent"] = True  # Salt's own check is not needed any more


def _refusal(why: str) -> CommandExecutionError:
    logging.getLogger("progress").info("")  # takes the progress line away
    return CommandExecutionError(why)


def _guard(args: list[Any], kwargs: dict[str, Any]) -> None:
    """Have the SLS files that a run names come after the check, where the tree has it."""
    mods = args[0] if args else kwargs.get("mods")
    if mods and OWNERSHIP in __salt__["cp.list_states"]():
        guarded = [OWNERSHIP, *(mods.split(",") if isinstance(mods, str) else mods)]
        if args:
            args[0] = guarded
        else:
            kwargs["mods"] = guarded


def _lock(fun: str) -> None:
    """Hold the lock until this process ends, or raise who holds it."""
    lock = os.open(LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(lock, 200, 0).decode().strip()
        os.close(lock)
        raise _refusal(f"{holder or 'another run'} is at work: wait for its end, then run this again") from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{fun}, PID {os.getpid()}, since {time.strftime('%F %T')},\n".encode(), 0)


def _tidy() -> None:
    """Remove what a killed run left; a preview that is running keeps its own."""
    for path in map(pathlib.Path, itertools.chain(*map(glob.iglob, LEFT))):
        with contextlib.suppress(FileNotFoundError):
            status = path.lstat()
            if status.st_uid == os.getuid() and status.st_mtime < time.time() - 10:
                path.unlink()
