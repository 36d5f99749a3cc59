"""Proxies in front: which may be one, and which was not named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def proxies(load: Callable[..., Any]) -> Any:
    """The module."""
    return load("_utils/doctor").proxies


def test_the_log_names_a_proxy(proxies: Any, tmp_path: Path) -> None:
    """Once, as long as pillar does not; words of the application are what is looked for."""
    application = Path(__file__).parents[5] / "roots/phagescan/scaggr/web/requests.py"
    lines = application.read_text().splitlines()
    _, words, _ = next(line for line in lines if line.startswith("UNKNOWN_PROXY")).split('"')
    log = tmp_path / "log"
    log.write_text(
        "".join(f"[now: WARNING/scaggr] {words} {each}: x\n" for each in ("10.0.0.5", "::1", "10.0.0.5", ":"))
    )
    (first, second) = proxies.notes([], str(log))
    assert "a proxy at 10.0.0.5 were refused" in first
    assert "a proxy at ::1 were refused" in second
    assert list(proxies.notes(["10.0.0.0/24", "::1"], str(log))) == []
    assert list(proxies.notes([], str(tmp_path / "missing"))) == []


def test_who_may_be_one(proxies: Any) -> None:
    """Addresses and networks, but for those that are everyone."""

    class Situation:
        """Of a master."""

        master = True

        def get(self, *_: Any) -> list[str]:
            """Return the proxies."""
            return ["10.0.0.5", "10.0.0.1/24", "fd00::/8", "0.0.0.0/0", "::/0", "1.2.3", "10.0.0.0/33"]

    faults = list(proxies.known(Situation()))
    assert {fault.key for fault in faults} == {"phagescan:proxies"}
    assert [fault.reason.split()[0].strip("'") for fault in faults] == ["0.0.0.0/0", "::/0", "1.2.3", "10.0.0.0/33"]
