"""The sources that packages come from."""

import concurrent.futures
import email.utils
import functools
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator

from checks.host import DAY, bare, utc
from checks.situation import Fault, Situation

APT_HELPER = (
    "/usr/lib/apt/apt-helper",
    *("-o", "Acquire::Retries=0"),
    *(
        word
        for kind in ("http", "https")
        for word in ("-o", f"Acquire::{kind}::Timeout=5", "-o", f"Debug::Acquire::{kind}=1")
    ),
    "download-file",
)


def notes() -> list[str]:
    """What does not keep a run from ending well, and is to be known: sources that are away, and what their clock
    says.
    """
    lines = []
    for uri, (problem, date) in sources().items():
        if problem:
            lines.append(f"archive: {uri} does not answer: {problem}")
        elif date is not None and abs(date - time.time()) > DAY:
            lines.append(f"clock: it is {utc(time.time())} here, and {utc(date)} at {uri}; see that the clock is right")
    return lines


def sources_answer(situation: Situation) -> Iterator[Fault]:
    """A source of packages answers, and the clock is not behind it; a cache may report one that is ahead.

    Asked where packages are missing, and by the doctor.
    """
    if not (situation.thorough or bare(situation)):
        return
    there = sources()
    dates = [date for problem, date in there.values() if not problem and date is not None]
    if not there:
        yield Fault("archive", "apt has no sources; see /etc/apt/sources.list")
    elif all(problem for problem, _ in there.values()):
        uri, (problem, _) = next(iter(there.items()))
        more = f" (nor {len(there) - 1} more)" if len(there) > 1 else ""
        yield Fault("archive", f"{uri} does not answer{more}: {problem}; see the network and apt's sources")
    if dates and max(dates) > time.time() + DAY:
        yield Fault("clock", f"it is {utc(time.time())} here, and {utc(max(dates))} at the archive; set the clock")


@functools.cache
def sources() -> dict[str, tuple[str, float | None]]:
    """Each source of apt's, asked as apt would ask it: what is wrong with it, and what time it says it is."""
    listed = subprocess.run(
        ["apt-get", "update", "--print-uris"], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    uris = re.findall(r"^'(\S+/)InRelease'", listed.stdout, re.MULTILINE)
    with concurrent.futures.ThreadPoolExecutor(8) as pool, tempfile.TemporaryDirectory() as folder:
        return dict(zip(uris, pool.map(_ask, uris, (f"{folder}/{number}" for number in range(len(uris)))), strict=True))


def _ask(uri: str, path: str) -> tuple[str, float | None]:
    for name in ("InRelease", "Release"):
        try:
            asked = subprocess.run(
                [*APT_HELPER, f"{uri}{name}", path],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=30,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return (str(error) if isinstance(error, OSError) else "no answer in 30 s"), None
        if asked.returncode == 0:
            date = re.findall(r"^Date: (.+?)\r?$", asked.stdout + asked.stderr, re.MULTILINE)
            return "", email.utils.parsedate_to_datetime(date[-1]).timestamp() if date else None
        reason = re.search(r"^E: Failed to fetch \S+\s+(.+)", asked.stderr, re.MULTILINE)
        if "404" not in asked.stderr:
            break
    return (reason[1] if reason else "apt-helper failed").strip(), None


CHECKS = (sources_answer,)
