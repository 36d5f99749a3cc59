"""State of a virtualenv that holds exactly what a lock file lists."""

import base64
import contextlib
import hashlib
import os
import pathlib
import re
import shutil
import sys
import time
from collections.abc import Callable
from typing import Any

from salt.exceptions import CommandExecutionError

# Set by Salt's loader.
__opts__: dict[str, Any]
__salt__: dict[str, Callable[..., Any]]
__utils__: dict[str, Callable[..., Any]]

PYTHON = "/usr/bin/python3"
STAMP = ".synchronised"  # made when the last synchronisation ended


def installed(name: str, source: str) -> dict[str, Any]:
    """Virtualenv `name` has the distributions of lock `source` (pip's format, with hashes), whole, and no others.

    Compared by reading each `*.dist-info` and the sizes its RECORD lists; pip runs only when something differs. A copy
    of one (an image, a backup) is read whole once.
    """
    lock = __salt__["cp.cache_file"](source)
    if not lock:
        return __utils__["results.failed"](name, f"{source} is missing")
    wanted = _read_lock(lock)
    usable = _usable(name)
    began, read = time.time(), list[str]()
    there = _read_environment(name, read) if usable else {}
    usable = bool(there)  # an empty one may not be whole: it is made again
    changes = {}
    for package in sorted(wanted.keys() | there.keys()):
        old, new = there.get(package), wanted.get(package)
        if old != new:
            changes[package] = {"old": old or "", "new": new or ""}
    if not changes and usable:
        if read and not __opts__["test"]:
            _stamp(name, began)
        return __utils__["results.clean"](name, f"{name} is as {source} says.")
    if __opts__["test"]:
        return __utils__["results.pending"](name, changes, f"{name} would change: {', '.join(changes)}.")
    error = _synchronise(
        name, lock, usable, [p for p in changes if p in wanted], [p for p in changes if p not in wanted]
    )
    if error:
        return __utils__["results.failed"](name, error)
    __utils__["freshness.note"](name)  # pip changes what is below it
    return __utils__["results.changed"](name, changes, f"{name} changed: {', '.join(changes)}.")


def _read_lock(path: str) -> dict[str, str]:
    """Distribution and version of each line of the lock that holds for this interpreter."""
    wanted = {}
    for line in pathlib.Path(path).read_text().splitlines():
        if not line or line[0] in " #-":
            continue
        requirement, _, marker = line.rstrip("\\ ").partition(";")
        if not marker or _holds(marker.strip()):
            name, _, version = requirement.partition("==")
            wanted[_canonical(name.partition("[")[0])] = version.strip()
    return wanted


def _canonical(name: str) -> str:
    """Name of a distribution as all compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _holds(marker: str) -> bool:
    """Whether a condition like `python_version < "3.12"` does; a lock should do without, as this import takes 20 ms."""
    from packaging.markers import Marker  # noqa: PLC0415

    return Marker(marker).evaluate()


def _site_packages(environment: str) -> pathlib.Path:
    return pathlib.Path(environment, "lib", "python{}.{}".format(*sys.version_info), "site-packages")


def _usable(environment: str) -> bool:
    """Whether it is a virtualenv of the interpreter that is installed now."""
    return (
        _site_packages(environment).is_dir()
        and os.access(f"{environment}/bin/python", os.X_OK)
        and os.path.exists(f"{environment}/pyvenv.cfg")
    )


def _read_environment(environment: str, read: list[str] | None = None) -> dict[str, str]:
    """Distribution and version of all that is installed; one that is not whole is called `<version> (damaged)`.

    The files that had to be read for that are added to `read`.
    """
    there = {}
    site = _site_packages(environment)
    try:
        known = os.stat(os.path.join(environment, STAMP)).st_mtime
    except OSError:
        known = 0.0
    if known > time.time():  # the clock was ahead then, and the stamp says nothing
        known = 0.0
    for info in site.glob("*.dist-info"):
        package, _, version = info.name.removesuffix(".dist-info").partition("-")
        name = _canonical(package)
        there[name] = version if name not in there and _whole(site, info, known, read) else f"{version} (damaged)"
    return there


def _whole(site: pathlib.Path, info: pathlib.Path, known: float, read: list[str] | None) -> bool:
    """Whether every file is as RECORD says; only those touched since `known` are read (a ctime cannot be set back).

    The wheel's own RECORD is in place before the scripts in bin are. pip's lists INSTALLER, too, and comes last.
    """
    complete = False
    try:
        with open(info / "RECORD") as record:
            for line in record:  # six thousand of them in a run: no pathlib here
                path, digest, size = line.rsplit(",", 2)
                if not digest:
                    continue
                complete = complete or path.endswith(".dist-info/INSTALLER")
                full = f"{site}/" + path.strip('"')
                stat = os.stat(full)
                if stat.st_size != int(size):
                    return False
                if stat.st_ctime > known:
                    if _digest(full, digest.partition("=")[0]) != digest:
                        return False
                    if read is not None:
                        read.append(full)
    except (OSError, ValueError):
        return False
    return complete


def _digest(path: str, algorithm: str) -> str:
    """Digest of a file as RECORD writes it (PEP 376: urlsafe base64 without padding)."""
    with open(path, "rb") as file:
        value = hashlib.file_digest(file, algorithm).digest()
    return f"{algorithm}={base64.urlsafe_b64encode(value).rstrip(b'=').decode()}"


def _stamp(environment: str, began: float) -> None:
    """Note that all files were as they should be when a run that read them `began`; the clock of files lags behind."""
    with contextlib.suppress(FileNotFoundError):  # its making would be a change of the environment
        os.utime(os.path.join(environment, STAMP), (began - 1, began - 1))


def _synchronise(environment: str, lock: str, usable: bool, install: list[str], remove: list[str]) -> str:
    """Bring the virtualenv to the lock; returns the reason where that failed."""
    if not usable:
        shutil.rmtree(environment, ignore_errors=True)
    commands = [] if usable else [[PYTHON, "-I", "-m", "venv", "--without-pip", environment]]
    pip = [sys.executable, "-I", "-m", "pip", "--python", f"{environment}/bin/python", "--quiet"]
    site = _site_packages(environment)
    # pip works on whole distributions only. One that is not, or is to be installed again, loses its metadata first.
    for info in site.glob("*.dist-info") if usable else ():
        if _canonical(info.name.partition("-")[0]) in install or not (info / "RECORD").is_file():
            shutil.rmtree(info)
    for rest in site.glob("~*"):  # of a pip that was killed
        shutil.rmtree(rest, ignore_errors=True)
    if remove := [package for package in remove if package in _read_environment(environment)]:
        commands.append([*pip, "uninstall", "--yes", *remove])
    if install:
        commands.append([*pip, "install", "--no-deps", "--require-hashes", "--requirement", lock])
    variables = __utils__["python_packages.environment"]()
    for command in commands:
        try:
            __utils__["programs.call"](*command, umask=0o022, env=variables)
        except CommandExecutionError as error:
            return str(error)
    pathlib.Path(environment, STAMP).touch()
    return ""
