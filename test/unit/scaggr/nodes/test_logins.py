"""What is kept of a node."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest


@pytest.mark.parametrize("sent", [None, "x", 0, -5, 2**40, 1.5])
def test_a_worker_that_does_not_say_its_time(scaggr_module: Callable[[str], Any], sent: Any) -> None:
    """Nothing is kept of it, as of one of the release before."""
    nodes = scaggr_module("nodes.logins")
    nodes.note_clock("scan@unit", sent)


class Fleet:
    """Workers that the master knows, in a database."""

    def __init__(self, nodes: Any, models: Any) -> None:
        self.nodes, self.models = nodes, models

    def has(self, worker: str, host: str, login: str = "worker", silent: float = 0, known: float = 9999) -> None:
        """A worker of a host was first heard, and has announced two engines, so many seconds ago."""
        now = self.nodes.clock.now()
        then, since = now - timedelta(seconds=silent), now - timedelta(seconds=known)
        self.models.Node.objects.create(hostname=worker, login=login, since=since)
        self.models.WorkerState.objects.create(hostname=worker, online=not silent)
        for name in ("yara", "fileinfo"):
            self.models.Engine.objects.create(name=name, worker=worker, kind="metadata", host=host, announced_at=then)

    def left(self) -> set[str]:
        """The workers whose engines and states are kept."""
        states = set(self.models.WorkerState.objects.values_list("hostname", flat=True))
        assert states == set(self.models.Node.objects.values_list("hostname", flat=True))
        assert states == set(self.models.Engine.objects.values_list("worker", flat=True))
        return states


@pytest.fixture
def fleet(scaggr_module: Callable[[str], Any], database: Any) -> Fleet:
    """A master that knows none yet."""
    return Fleet(scaggr_module("nodes.logins"), database)


def test_another_name_of_a_host(fleet: Fleet, caplog: pytest.LogCaptureFixture) -> None:
    """The worker that it had before is forgotten once it is silent, with its engines, and not earlier; others stay."""
    fleet.has("scan@old", "machine", silent=30)
    fleet.has("scan@older", "machine", silent=3600)
    fleet.has("scan@other", "other machine", silent=3600)
    fleet.has("scan@new", "machine", known=20)
    fleet.nodes.forget_former("scan@new", {"machine"})
    assert fleet.left() == {"scan@old", "scan@other", "scan@new"}
    assert "scan@new was called scan@older before" in caplog.text
    fleet.models.Engine.objects.filter(worker="scan@old").update(
        announced_at=fleet.nodes.clock.now() - fleet.models.Engine.SILENCE - timedelta(seconds=1)
    )
    fleet.nodes.forget_former("scan@new", {"machine"})
    assert fleet.left() == {"scan@other", "scan@new"}


def test_a_worker_speaks_for_no_other_login(fleet: Fleet) -> None:
    """Whoever names the host of another does not have it forgotten; nor does one that names none."""
    fleet.has("scan@old", "machine", login="old", silent=3600)
    fleet.has("scan@nameless", "", silent=3600)
    fleet.has("scan@new", "machine", silent=3600, known=10)
    fleet.nodes.forget_former("scan@new", {"machine"})
    fleet.nodes.forget_former("scan@new", set())
    assert fleet.left() == {"scan@old", "scan@nameless", "scan@new"}


def test_hosts_of_one_image(fleet: Fleet) -> None:
    """One that has died is not forgotten for the other, which was heard while it lived."""
    fleet.has("scan@dead", "machine", silent=3600, known=9000)
    fleet.has("scan@alive", "machine", known=8000)
    fleet.nodes.forget_former("scan@alive", {"machine"})
    assert fleet.left() == {"scan@alive", "scan@dead"}


def test_a_name_comes_back(fleet: Fleet) -> None:
    """A host that is renamed twice has its first name again."""
    fleet.has("scan@first", "machine", silent=3600)
    fleet.has("scan@second", "machine", silent=100, known=3000)
    fleet.nodes.forget_former("scan@second", {"machine"})
    assert fleet.left() == {"scan@second"}
    assert fleet.nodes.speaks_for("scan@first", "worker")
    fleet.nodes.forget_former("scan@first", {"machine"})
    assert "scan@second" not in fleet.models.Node.objects.values_list("hostname", flat=True)


def test_announced_under_another_name(fleet: Fleet, scaggr: Any) -> None:
    """The announcement of the new name takes the old one's engines away; one of the release before has no host."""
    engine = {"name": "yara", "kind": "evilness", "version": "1"}
    fleet.has("scan@old", "machine", silent=3600)
    fleet.has("scan@former", "", silent=3600)
    for worker, host in (("scan@new", {"host": "machine"}), ("scan@release-before", {})):
        fleet.nodes.speaks_for(worker, "worker")
        scaggr.scanning.engines.announce(worker, [engine | host])
    kept = fleet.models.Engine.objects.values_list("worker", "host")
    assert set(kept) == {("scan@former", ""), ("scan@new", "machine"), ("scan@release-before", "")}


def test_the_clock_is_kept(fleet: Fleet) -> None:
    """Of the node that has said it, and of no other."""
    fleet.has("scan@ahead", "")
    fleet.has("scan@other", "")
    fleet.nodes.note_clock("scan@ahead", int(fleet.nodes.clock.now().timestamp()) + 3600)
    clocks = dict(fleet.models.Node.objects.values_list("hostname", "clock"))
    assert clocks["scan@other"] is None
    assert clocks["scan@ahead"] == pytest.approx(3600, abs=5)
