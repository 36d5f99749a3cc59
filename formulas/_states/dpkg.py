"""States of what dpkg and its packages leave on a host."""

import os
from collections.abc import Callable
from typing import Any

from salt.exceptions import CommandExecutionError

# Set by Salt's loader.
__lowstate__: list[dict[str, Any]]
__opts__: dict[str, Any]
__utils__: dict[str, Callable[..., Any]]

CONFIGURE = ["dpkg", "--configure", "-a", "--force-confdef", "--force-confold"]
REINSTALL = ["dpkg-query", "--show", "--showformat", "${db:Status-Want} ${db:Status-Eflag} ${binary:Package}\n"]
FIX = [
    "apt-get",
    "--yes",
    "--no-install-recommends",
    "--fix-broken",
    "--reinstall",
    "--option=DPkg::Options::=--force-confold",
    "--option=DPkg::Lock::Timeout=300",
    "install",
]


def configured(name: str) -> dict[str, Any]:
    """No package is half installed, as a dpkg run that was killed leaves it; until then apt refuses everything.

    Another's run that is at work is waited for, as apt does. Services that this run starts later are not started here.
    """
    if not __utils__["dpkg.unfinished"]():
        return _released(name)
    if __opts__["test"]:
        changes = {name: "an interrupted dpkg run to be completed"}
        return __utils__["results.pending"](name, changes, "An interrupted dpkg run would be completed.")
    try:
        with __utils__["starts.held"](__utils__["starts.stopped"](__lowstate__, __utils__["daemon.status"])):
            last = _complete()
    except CommandExecutionError as error:
        return __utils__["results.failed"](name, error)
    if last.returncode:
        reason = " ".join((last.stderr or last.stdout).split())[-500:]
        return __utils__["results.failed"](name, f"{' '.join(last.args)} failed ({last.returncode}): {reason}")
    return __utils__["results.changed"](name, {name: "completed"}, "An interrupted dpkg run was completed.")


def link_absent(name: str, comes_with: str) -> dict[str, Any]:
    """Symbolic link `name`, which a package brings, is absent; an administrator's own file in its place stays.

    `comes_with` is a configuration file of that package: a preview without it says that the link will go.
    """
    if not os.path.islink(name) and os.path.exists(comes_with):
        return __utils__["results.clean"](name, f"{name} is absent.")
    if __opts__["test"]:
        return __utils__["results.pending"](name, {name: "to be removed"}, f"{name} would be removed.")
    if not os.path.islink(name):
        return __utils__["results.clean"](name, f"{name} is absent.")
    os.unlink(name)
    return __utils__["results.changed"](name, {name: "removed"}, f"{name} was removed.")


def _released(name: str) -> dict[str, Any]:
    """What a killed run has left of policy-rc.d is gone."""
    if not __utils__["starts.left"]():
        return __utils__["results.clean"](name, "All packages are configured.")
    changes, said = {"/usr/sbin/policy-rc.d": "as it was before a killed run"}, "policy-rc.d of a killed run"
    if __opts__["test"]:
        return __utils__["results.pending"](name, changes, f"{said} would be taken away.")
    __utils__["starts.release"]()
    return __utils__["results.changed"](name, changes, f"{said} was taken away.")


def _complete() -> Any:
    """apt repairs what dpkg alone cannot; what was being unpacked it unpacks again only where it is asked to."""
    _run(CONFIGURE)
    flags = (line.split() for line in _run(REINSTALL).stdout.splitlines())
    return _run([*FIX, *(package for want, flag, package in flags if (want, flag) == ("install", "reinstreq"))])


def _run(command: list[str]) -> Any:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    return __utils__["programs.run"](command, cwd="/", env=environment)
