"""The state modules on hosts of a temporary directory."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service_host import Host
from source_trees import Tree


@pytest.fixture
def host(load: Callable[..., Any], tmp_path: Path) -> Callable[..., Host]:
    """Makes a host whose service has the given status."""
    return lambda *, test=False, **status: Host(load, tmp_path / "web.conf", test=test, **status)


@pytest.fixture
def tree(load: Callable[..., Any], minion: Callable[..., Any], tmp_path: Path) -> Tree:
    """A source that was not copied yet."""
    return Tree(load, minion, tmp_path)


@pytest.fixture
def copy(tree: Tree) -> Tree:
    """A source that was copied."""
    assert tree.copied()["result"] is True
    return tree


@pytest.fixture
def python_lock(load: Callable[..., Any]) -> Any:
    """The state module; a lock's source is its path, and virtualenvs are made of the Python that runs this."""
    module = load(
        "_states/python_lock",
        __salt__={"cp.cache_file": lambda source: source},
        __opts__={"test": False},
        __utils__={
            "freshness.note": lambda _path: None,
            "python_packages.environment": load("_utils/python_packages").environment,
        },
    )
    module.PYTHON = sys.executable
    return module
