"""The sources that packages come from."""

import time
from collections.abc import Callable, Iterator

from checks.host import DAY, bare, utc
from checks.situation import Fault, Situation

Looked = tuple[dict[str, str], list[str], list[float]]  # packages.look


def notes(look: Callable[[], Looked]) -> list[str]:
    """What does not keep a run from ending well, and is to be known: sources that cannot be used, and a clock that
    differs.
    """
    problems, _, dates = look()
    lines = [f"archive: {where}: {problem}" for where, problem in problems.items()]
    if dates and abs(max(dates) - time.time()) > DAY:
        lines.append(
            f"clock: it is {utc(time.time())} here, and {utc(max(dates))} at the archive; see that it is right"
        )
    return lines


def sources_answer(situation: Situation) -> Iterator[Fault]:
    """A source of packages can be used, and the clock is not behind it; a cache may report one that is ahead.

    Asked where packages are missing, and by the doctor.
    """
    if not (situation.thorough or bare(situation)):
        return
    problems, well, dates = situation.look()
    if not well and not problems:
        yield Fault("archive", "apt has no sources; see /etc/apt/sources.list")
    elif not well:
        where, problem = next(iter(problems.items()))
        more = f" (nor {len(problems) - 1} more)" if len(problems) > 1 else ""
        yield Fault("archive", f"{where} cannot be used{more}: {problem}; see the network and apt's sources")
    if dates and max(dates) > time.time() + DAY:
        yield Fault("clock", f"it is {utc(time.time())} here, and {utc(max(dates))} at the archive; set the clock")


CHECKS = (sources_answer,)
