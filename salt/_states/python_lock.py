"""State of a virtualenv that holds exactly what a lock file lists."""

import os
import pathlib
import shutil
import subprocess
import sys
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PYTHON = "/usr/bin/python3"


def installed(name: str, source: str) -> dict[str, Any]:
    """Virtualenv `name` has the distributions of lock `source` (pip's format, with hashes), whole, and no others.

    Compared by reading each `*.dist-info` and the sizes its RECORD lists; pip runs only when something differs.
    """
    result: dict[str, Any] = {"name": name, "result": True, "changes": {}, "comment": f"{name} is as {source} says."}
    lock = __salt__["cp.cache_file"](source)
    if not lock:
        return result | {"result": False, "comment": f"{source} is missing"}
    wanted = _read_lock(lock)
    usable = _usable(name)
    there = _read_environment(name) if usable else {}
    changes = {}
    for package in sorted(wanted.keys() | there.keys()):
        old, new = there.get(package), wanted.get(package)
        if old != new:
            changes[package] = {"old": old or "", "new": new or ""}
    if not changes and usable:
        return result
    if __opts__["test"]:
        return result | {"result": None, "changes": changes, "comment": f"{name} would change: {', '.join(changes)}."}
    error = _synchronise(name, lock, usable, [p for p in changes if p in wanted], [p for p in changes if p not in wanted])
    if error:
        return result | {"result": False, "comment": error}
    return result | {"changes": changes, "comment": f"{name} changed: {', '.join(changes)}."}


def _read_lock(path: str) -> dict[str, str]:
    """Distribution and version of each line of the lock that holds for this interpreter."""
    wanted = {}
    for line in pathlib.Path(path).read_text().splitlines():
        if not line or line[0] in " #-":
            continue
        requirement = Requirement(line.rstrip("\\ "))
        if requirement.marker is None or requirement.marker.evaluate():
            wanted[canonicalize_name(requirement.name)] = next(iter(requirement.specifier)).version
    return wanted


def _site_packages(environment: str) -> pathlib.Path:
    return pathlib.Path(environment, "lib", "python{}.{}".format(*sys.version_info), "site-packages")


def _usable(environment: str) -> bool:
    """Whether it is a virtualenv of the interpreter that is installed now."""
    return _site_packages(environment).is_dir() and os.access(f"{environment}/bin/python", os.X_OK)


def _read_environment(environment: str) -> dict[str, str]:
    """Distribution and version of all that is installed; one that is not whole is called `<version> (damaged)`."""
    there = {}
    site = _site_packages(environment)
    for info in site.glob("*.dist-info"):
        package, _, version = info.name.removesuffix(".dist-info").partition("-")
        there[canonicalize_name(package)] = version if _whole(site, info) else f"{version} (damaged)"
    return there


def _whole(site: pathlib.Path, info: pathlib.Path) -> bool:
    try:
        lines = (info / "RECORD").read_text().splitlines()
        for line in lines:
            path, digest, size = line.rsplit(",", 2)
            if digest and os.stat(os.path.join(site, path.strip('"'))).st_size != int(size):
                return False
    except (OSError, ValueError):
        return False
    return True


def _synchronise(environment: str, lock: str, usable: bool, install: list[str], remove: list[str]) -> str:
    """Bring the virtualenv to the lock; returns the reason where that failed."""
    if not usable:
        shutil.rmtree(environment, ignore_errors=True)
    commands = [] if usable else [[PYTHON, "-m", "venv", "--without-pip", environment]]
    pip = [sys.executable, "-m", "pip", "--python", f"{environment}/bin/python", "--disable-pip-version-check", "--quiet"]
    if remove:
        commands.append([*pip, "uninstall", "--yes", *remove])
    damaged = [package for package in install if usable and (_read_environment(environment).get(package) or "").endswith(")")]
    if damaged:
        commands.append([*pip, "uninstall", "--yes", *damaged])
    if install:
        commands.append([*pip, "install", "--no-cache-dir", "--no-deps", "--require-hashes", "--requirement", lock])
    for command in commands:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, umask=0o022)
        if done.returncode:
            return f"{' '.join(command[:4])}: {' '.join(done.stderr.split())[-600:]}"
    os.utime(environment)  # for those who ask whether they are older than it
    return ""
