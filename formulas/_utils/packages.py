"""Packages of the system by apt: what is missing, where it comes from, and its installation.

A source that does not answer, or is not signed, keeps no package of another one away. What another process has locked
is waited for.
"""

import email.utils
import fcntl
import glob
import logging
import os
import pathlib
import re
import struct
import tempfile
import time
from collections.abc import Iterable
from typing import Any

import programs
from salt.exceptions import CommandExecutionError

# Set by Salt's loader.
__context__: dict[str, Any]

log = logging.getLogger("progress")  # what salt/_log_handlers/progress.py shows

DATABASE = "/var/lib/dpkg/status"
LISTS = "/var/lib/apt/lists"
LOCKS = (f"{LISTS}/lock", "/var/cache/apt/archives/lock", "/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock")
PATIENCE = 300  # s, for the end of another's apt
FRESH = 600  # s; older package lists are fetched again
INSTALLED = re.compile(r"^Package: (\S+)\n(?:(?:Essential|Protected): .*\n)*Status: \S+ ok installed$", re.MULTILINE)
APT = ("apt-get", "--quiet", "--option=Dpkg::Use-Pty=0", f"--option=DPkg::Lock::Timeout={PATIENCE}")
INSTALL = ("--yes", "--no-install-recommends", *(f"--option=DPkg::Options::=--force-conf{w}" for w in ("def", "old")))
QUIET = dict.fromkeys(("APT_LISTCHANGES_FRONTEND", "APT_LISTBUGS_FRONTEND"), "none")
ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", **QUIET, "LC_ALL": "C.UTF-8"}
TARGETS = ("deb::Packages", "deb::Translations", "deb-src::Sources")
# Of each source the release file alone, and what the answers say of the time.
LOOK = (
    *(f"--option=Acquire::IndexTargets::{kind}::DefaultEnabled=false" for kind in TARGETS),
    "--option=Acquire::Retries=0",
    *(f"--option=Debug::Acquire::{kind}=1" for kind in ("http", "https")),
    *(f"--option=Acquire::{kind}::Timeout=5" for kind in ("http", "https")),
)
# What apt says of a source that it cannot use: its address, and why.
BAD = (
    re.compile(r"^E: The repository '(\S+).*?' (.+)$", re.MULTILINE),
    re.compile(r"^[EW]: GPG error: (\S+) .*?: (.+)$", re.MULTILINE),
    re.compile(r"^[EW]: Failed to fetch (\S+)\s+(.+)$", re.MULTILINE),
    re.compile(r"^E: Release file for (\S+) (.+)$", re.MULTILINE),
    re.compile(r"^Err:\d+ (\S+) .*\n\s+(.+)$", re.MULTILINE),
)
OTHER = re.compile(r"^E: (?!Some index|The repository|Failed to fetch|GPG error|Release file)(.+)$", re.MULTILINE)
LOCKED = re.compile(r"Could not get lock|Unable to (?:acquire|lock)")


def missing(names: Iterable[str]) -> list[str]:
    """Those of the packages that are not installed."""
    changed = os.stat(DATABASE).st_mtime_ns
    if __context__.get("packages", (0,))[0] != changed:
        there = frozenset(INSTALLED.findall(pathlib.Path(DATABASE).read_text(errors="replace")))
        __context__["packages"] = (changed, there)
    return [name for name in dict.fromkeys(names) if name not in __context__["packages"][1]]


def install(names: list[str], try_only: bool = False) -> list[str]:
    """Install packages, with fresh lists; notes of sources that could not be used.

    Raises CommandExecutionError with the reason. `try_only` asks apt whether it could, and changes nothing.
    """
    notes = [] if try_only else refresh()
    done = apt(*INSTALL, *(("--simulate",) if try_only else ()), "install", *names)
    if done.returncode:
        raise CommandExecutionError("; ".join([f"apt-get install failed ({done.returncode}): {why(done)}", *notes]))
    return notes


def refresh() -> list[str]:
    """Fetch package lists, where they are not fresh; a note of each source that could not be used."""
    if glob.glob(f"{LISTS}/*Packages*") and 0 <= time.time() - os.stat(LISTS).st_mtime < FRESH:
        return []
    log.info("fetching package lists")
    problems, _ = read(apt("update"))
    return [f"source {where}: {problem}" for where, problem in problems.items()]


def look() -> tuple[dict[str, str], list[str], list[float]]:
    """What a refresh would find, asked once: problems by source, sources that are well, and what time these say it is.

    apt reads the release file of each source, and checks its signature, in a directory of its own.
    """
    if "packages.look" not in __context__:
        log.info("asking the sources of packages")
        with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:  # noqa: S108  # user _apt writes below it
            os.chmod(folder, 0o755)  # noqa: S103
            os.mkdir(f"{folder}/partial")
            problems, dates = read(apt(*LOOK, f"--option=Dir::State::Lists={folder}", "update"))
            well = [os.path.basename(path) for path in glob.glob(f"{folder}/*Release")]
        __context__["packages.look"] = (problems, well, dates)
    return __context__["packages.look"]


def read(done: programs.Done) -> tuple[dict[str, str], list[float]]:
    """Problems of an update by source, and the times of the answers."""
    said = f"{done.stderr}\n{done.stdout}"
    problems: dict[str, str] = {}
    for pattern in BAD:
        for where, problem in pattern.findall(said):
            problems.setdefault(re.sub("/dists/.*", "", where), problem.strip())
    if not problems and (others := OTHER.findall(done.stderr)):
        problems["apt"] = " ".join(others)
    dates = re.findall(r"^date: (.+?)\r?$", said, re.MULTILINE | re.IGNORECASE)
    return problems, [email.utils.parsedate_to_datetime(date).timestamp() for date in dates]


def why(done: programs.Done) -> str:
    """Why apt has failed: of dpkg's words those from where the package is named that it stumbled over."""
    said = f"{done.stdout}\n{done.stderr}"
    stumbled = said.find("dpkg: error")
    begun = max(said.rfind(f"\n{word} ", 0, stumbled) for word in ("Setting up", "Unpacking", "Preparing to unpack"))
    words = said[begun:] if stumbled >= 0 and begun >= 0 else done.stderr or done.stdout
    return programs.reason(words, since=getattr(done, "began", None))


def apt(*arguments: str) -> programs.Done:
    """How an apt-get ended, once others have ended who hold its locks."""
    last = time.monotonic() + PATIENCE
    while True:
        while (holder := next(filter(None, map(_holder, LOCKS)), "")) and time.monotonic() < last:
            log.info("waiting for %s", holder)
            time.sleep(1)
        done = programs.run([*APT, *arguments], cwd="/", env={**os.environ, **ENVIRONMENT})
        if done.returncode == 0 or not LOCKED.search(done.stderr) or time.monotonic() > last:
            return done


def _holder(path: str) -> str:
    """Who holds a lock, with its PID and program; nothing where it is free."""
    asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    try:
        with open(path, "rb") as file:
            kind, *_, pid = struct.unpack("hhqqi4x", fcntl.fcntl(file, fcntl.F_GETLK, asked))
        if kind == fcntl.F_UNLCK:
            return ""
        program = pathlib.Path(f"/proc/{pid}/comm")
        return f"PID {pid} ({program.read_text().strip() if program.exists() else 'not known'}), which holds {path}"
    except OSError:
        return ""
