"""The table of test/changed.py: what a change concerns."""

import importlib.util
from fnmatch import fnmatchcase
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def changed() -> ModuleType:
    """The module."""
    spec = importlib.util.spec_from_file_location("changed", ROOT / "test/changed.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_file_is_in_it(changed: ModuleType) -> None:
    """What is on a host concerns a suite of hosts or the unit tests; every file concerns something."""
    files = changed.changed("4b825dc642cb6eb9a060e54bf8d69288fbee4904")  # the empty tree
    assert len(files) > 200
    for name in files:
        found = changed.concerned(name)
        assert found, name
        if name.startswith(("formulas/", "pillar/", "salt/", "roots/", "bootstrap")) and not name.endswith(
            (".rst", ".sample")
        ):
            assert [path for path in found if path.startswith(("test/host/", "test/vagrant"))], (
                f"{name} concerns no host"
            )


def test_every_pattern_is_of_use(changed: ModuleType) -> None:
    """Each pattern matches a file, and what it names is there."""
    files = changed.changed("4b825dc642cb6eb9a060e54bf8d69288fbee4904")
    known = changed.suites()
    for pattern, entries in changed.TABLE.items():
        assert any(fnmatchcase(name, pattern) for name in files), f"{pattern} matches nothing"
        for entry in entries:
            assert (ROOT / entry).exists() if entry.startswith("test/") else entry in known, f"{pattern}: {entry}"


def test_every_suite_is_concerned(changed: ModuleType) -> None:
    """No suite is left out, whatever changes."""
    concerned = {
        path for name in changed.changed("4b825dc642cb6eb9a060e54bf8d69288fbee4904") for path in changed.concerned(name)
    }
    assert set(changed.suites().values()) <= concerned


def test_helper(changed: ModuleType) -> None:
    """A helper's change concerns the suites that import it, also by way of another helper."""
    assert "test/host/test_status.py" in changed.concerned("test/host/support/status.py")
    assert "test/host/test_scanning.py" in changed.concerned("test/host/support/logins.py")
    assert "test/host/test_nginx.py" not in changed.concerned("test/host/support/status.py")
