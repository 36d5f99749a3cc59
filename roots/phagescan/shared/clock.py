"""Comparisons of times with now.

A clock may have been ahead, and set back since. What was dated then lies in the future, says nothing of its age, and is
neither fresh nor old: each comparison has that case.
"""

from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TypeGuard

SLACK = timedelta(seconds=10)
"""What a moment may be in the future: clocks are moved by so much all the time."""

APART = 60.0
"""Seconds by which the clocks of two hosts may differ before it is said."""


def now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


def horizon() -> datetime:
    """Return the last moment that is not in the future."""
    return now() + SLACK


def is_ahead(moment: datetime) -> bool:
    """Tell whether a moment is in the future."""
    return moment > horizon()


def is_recent(moment: datetime | None, limit: timedelta) -> TypeGuard[datetime]:
    """Tell whether a moment is known, no longer ago than the limit, and not in the future."""
    return moment is not None and now() - limit <= moment <= horizon()


def ago(moment: datetime) -> str:
    """Write how long ago a moment was, without the word `ago`."""
    passed = max(0.0, (now() - moment).total_seconds())
    return "an unknown time (the clock was ahead)" if is_ahead(moment) else f"{passed:.0f} s"


def apart(offset: float) -> str:
    """Write by how much a clock is ahead of this host's, in seconds, or behind; "" within what clocks may differ."""
    if abs(offset) <= APART:
        return ""
    return f"{abs(offset):.0f} s {'ahead of' if offset > 0 else 'behind'} this host's"


class Watch:
    """Notices that the clock was set back while it watches."""

    def __init__(self) -> None:
        """Begin to watch."""
        self._offset = self._now()

    def was_set_back(self) -> bool:
        """Tell whether it was, since this was asked before."""
        before, self._offset = self._offset, self._now()
        return before - self._offset > SLACK.total_seconds()

    @staticmethod
    def _now() -> float:
        return now().timestamp() - monotonic()
