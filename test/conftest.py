"""Options of test/run, for tests of every tier."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """What test/run passes on."""
    parser.addoption("--run", default="by-hand", help="label of containers and images, for clearing up")
    parser.addoption("--long", action="store_true", help="the long form of suites that have one, which takes hours")
    parser.addoption("--keep", action="store_true", help="keep hosts, images and packages for the next run")
    parser.addoption(
        "--since", default="", help="the revision that test_release begins with, in place of the release before"
    )
    parser.addoption(
        "--inner-loop", action="store_true", help="bring kept hosts up to date; leave Debian 12 to the whole run"
    )
    parser.addoption(
        "--everywhere", action="store_true", help="each suite on every kind of host, whether or not that differs"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A test does not run in its long form unless that is asked for."""
    items[:] = [item for item in items if config.getoption("--long") or not item.get_closest_marker("long")]
