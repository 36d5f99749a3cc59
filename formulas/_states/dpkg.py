"""States of what dpkg and its packages leave on a host."""

import os
from collections.abc import Callable
from typing import Any

# Set by Salt's loader.
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

    Another's run that is at work is waited for, as apt does.
    """
    if not __utils__["dpkg.unfinished"]():
        return __utils__["results.clean"](name, "All packages are configured.")
    if __opts__["test"]:
        changes = {name: "an interrupted dpkg run to be completed"}
        return __utils__["results.pending"](name, changes, "An interrupted dpkg run would be completed.")
    _run(CONFIGURE)
    # apt repairs what dpkg alone cannot; what was being unpacked it unpacks again only where it is asked to.
    flags = (line.split() for line in _run(REINSTALL).stdout.splitlines())
    last = _run([*FIX, *(package for want, flag, package in flags if (want, flag) == ("install", "reinstreq"))])
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


def _run(command: list[str]) -> Any:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    return __utils__["programs.run"](command, cwd="/", env=environment)
