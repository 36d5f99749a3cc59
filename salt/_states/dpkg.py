"""States of what dpkg and its packages leave on a host."""

import os
import subprocess
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
    result: dict[str, Any] = {"name": name, "result": True, "changes": {}, "comment": "All packages are configured."}
    if not __utils__["dpkg.unfinished"]():
        return result
    result["changes"] = {name: "an interrupted dpkg run to be completed"}
    if __opts__["test"]:
        return result | {"result": None, "comment": "An interrupted dpkg run would be completed."}
    _run(CONFIGURE)
    # apt repairs what dpkg alone cannot; what was being unpacked it unpacks again only where it is told to.
    flags = (line.split() for line in _run(REINSTALL).stdout.splitlines())
    last = _run([*FIX, *(package for want, flag, package in flags if (want, flag) == ("install", "reinstreq"))])
    if last.returncode:
        reason = " ".join((last.stderr or last.stdout).split())[-500:]
        return result | {
            "result": False,
            "changes": {},
            "comment": f"{' '.join(last.args)} failed ({last.returncode}): {reason}",
        }
    return result | {"changes": {name: "completed"}, "comment": "An interrupted dpkg run was completed."}


def link_absent(name: str, comes_with: str) -> dict[str, Any]:
    """Symbolic link `name`, which a package brings, is absent; an administrator's own file in its place stays.

    `comes_with` is a configuration file of that package: a preview without it says that the link will go.
    """
    result: dict[str, Any] = {"name": name, "result": True, "changes": {}, "comment": f"{name} is absent."}
    if not os.path.islink(name) and os.path.exists(comes_with):
        return result
    if __opts__["test"]:
        return result | {"result": None, "changes": {name: "to be removed"}, "comment": f"{name} would be removed."}
    if not os.path.islink(name):
        return result
    os.unlink(name)
    return result | {"changes": {name: "removed"}, "comment": f"{name} was removed."}


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd="/", env=environment)
