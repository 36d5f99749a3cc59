"""Options and markers of all tests, and what runs beside what: a group of pytest-xdist is a file, or a test host."""

import pytest

MARKERS = (
    "clone(group): which clone of a test host it runs on; see CLONES in test/host/conftest.py",
    "hosts(*kinds, only=False): the kinds of host on which it may differ; the default is all three",
    "once: is no matter of release or init; runs on debian13, and with --everywhere on all",
    "last: runs last on its clone",
    "long: takes minutes; runs with --long",
    "day: takes the whole life of a host; runs with `test/run day`",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """What test/run passes on."""
    parser.addoption("--run", default="by-hand", help="label of containers and images, for clearing up")
    parser.addoption("--long", action="store_true", help="the long form of suites that have one, which takes hours")
    parser.addoption("--keep", action="store_true", help="keep hosts, images and packages for the next run")
    parser.addoption("--since", default="", help="the revision that test_release begins with, in place of the release before")
    parser.addoption("--everywhere", action="store_true", help="each suite on every kind of host, whether or not that differs")


def pytest_configure(config: pytest.Config) -> None:
    """What a suite or a test may be marked with."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests that are no host's run file by file, since they share what the file has prepared."""
    for item in items:
        if not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.path.relative_to(config.rootpath).as_posix()))
