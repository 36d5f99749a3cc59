"""Keeps packages from starting services of ours before their settings are there: policy-rc.d(8), for one run of apt.

Services that run are not held, so that an upgrade restarts them; what is held the run's own states start.
"""

import contextlib
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from salt.exceptions import CommandExecutionError

POLICY = pathlib.Path("/usr/sbin/policy-rc.d")
KEPT = pathlib.Path("/usr/sbin/policy-rc.d.kept")  # the operator's, meanwhile
MARK = "# Written by Salt for one run of apt, and taken away by the next highstate where that was killed."
SCRIPT = """#!/bin/sh
{mark}
name=$1 action=$2
case $1 in --*) name=$2 action=$3 ;; esac
case "$action: {names} " in
    *start*:*" ${{name%.service}} "*) exit 101 ;;
esac
[ ! -x {kept} ] || exec {kept} "$@"
exit 104
"""


def stopped(chunks: Iterable[Mapping[str, Any]], status: Callable[..., dict[str, dict[str, Any]]]) -> list[str]:
    """Services of the states of a run that do not run. `status` is daemon.status."""
    services = {
        chunk["name"]: chunk.get("pidfile")
        for chunk in chunks
        if chunk["state"] == "daemon" and chunk["fun"] in ("running", "dead", "disabled")
    }
    return [name for name, now in status(services).items() if not now["running"]] if services else []


@contextlib.contextmanager
def held(names: list[str]) -> Iterator[None]:
    """Packages start none of these services while this lasts."""
    hold(names)
    try:
        yield
    finally:
        release()


def hold(names: list[str]) -> None:
    """Packages start none of these services until `release`; the operator's own policy says what becomes of others."""
    try:
        if POLICY.is_symlink() or (POLICY.exists() and not _ours()):
            POLICY.replace(KEPT)
        new = POLICY.with_suffix(".new")
        new.write_text(SCRIPT.format(mark=MARK, names=" ".join(names), kept=KEPT))
        new.chmod(0o755)
        new.replace(POLICY)
    except OSError as error:
        raise CommandExecutionError(f"{error.filename}: {error.strerror}") from None


def left() -> bool:
    """Whether a run that was killed has left its policy."""
    return KEPT.exists() or KEPT.is_symlink() or _ours()


def release() -> None:
    """Put back what was there before."""
    if _ours():
        POLICY.unlink()
    if (KEPT.exists() or KEPT.is_symlink()) and not (POLICY.exists() or POLICY.is_symlink()):
        KEPT.replace(POLICY)
    KEPT.unlink(missing_ok=True)


def _ours() -> bool:
    with contextlib.suppress(OSError):
        return MARK.encode() in POLICY.read_bytes()
    return False
