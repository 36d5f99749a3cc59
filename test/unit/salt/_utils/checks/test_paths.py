"""What is wrong with a host is said before anything is touched."""

from collections.abc import Callable
from pathlib import Path


def test_checkout_is_not_emptied(examine: Callable[..., list[str]]) -> None:
    """The code does not land on the tree that it comes from."""
    (fault,) = examine({"phagescan:virtualenv": "/srv/pillar"})
    assert fault.startswith("phagescan:virtualenv: must not hold this checkout, /srv/pillar")


def test_master_that_was(examine: Callable[..., list[str]], tmp_path: Path) -> None:
    """A host that has been a master is not made a worker in passing."""
    (tmp_path / "etc/phagescan").mkdir(parents=True)
    (tmp_path / "etc/phagescan/master.toml").touch()
    assert examine() == []
    (fault,) = examine({"phagescan:roles": ["worker"], "phagescan:worker:master_url": "http://192.0.2.1"})
    assert fault.startswith("phagescan:roles: master is gone, but this host has been one")
