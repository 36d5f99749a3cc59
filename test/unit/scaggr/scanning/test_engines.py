"""Which engines there are, by what workers announce."""
# ruff: noqa: D103  (the names of the tests say it)

from typing import Any

import pytest


@pytest.mark.parametrize(
    "engine",
    [None, 3, {}, {"name": "yara"}, {"name": "yara", "kind": "other"}, {"name": "a.b", "kind": "evilness"}]
    + [{"name": name, "kind": "metadata"} for name in ("", "a b", "é", "x" * 65, 7, None)],
)
def test_an_engine_is_announced_with_name_and_kind(scaggr: Any, engine: Any) -> None:
    assert not scaggr.scanning.engines.is_announcement(engine)
    assert scaggr.scanning.engines.is_announcement({"name": "yara", "kind": "evilness"})


def test_what_waits_is_dated_to_now_after_the_clock_was_ahead(scaggr: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    engines, done = scaggr.scanning.engines, []

    class Rows:
        """Rows of a model, which note what is done to them."""

        def __init__(self, model: Any) -> None:
            self.model, self.objects, self.__name__ = self, self, model.__name__

        def all(self) -> "Rows":
            return self

        def filter(self, **which: Any) -> "Rows":
            done.append((self.__name__, which))
            return self

        def update(self, **values: Any) -> int:
            done.append((self.__name__, values))
            return 1

    for name in ("Engine", "ScanRun", "AccessAttempt"):
        monkeypatch.setattr(engines, name, Rows(getattr(engines, name)))
    engines.forget_future()
    assert [(name, *which) for name, which in done] == [
        ("ScanRun", "finished_at"),
        *(("Engine", "announced_at__gt"), ("Engine", "announced_at")),
        *(("ScanRun", "created_at__gt"), ("ScanRun", "created_at")),
        *(("AccessAttempt", "attempt_time__gt"), ("AccessAttempt", "attempt_time")),
    ]
