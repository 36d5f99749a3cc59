"""Names of tasks have one place."""

import ast
import importlib
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def names(project: Path) -> set[str]:
    """The names."""
    module: Any = importlib.import_module("shared.tasks")
    return {value for name, value in vars(module).items() if name.isupper()}


def literals(path: Path) -> set[Any]:
    """The constants in a module's text."""
    return {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}


def test_they_are_said_once(project: Path, names: set[str]) -> None:
    """Where else one is a string, a name could change for the sender alone."""
    assert "worker.scan" in names
    others = set(project.rglob("*.py")) - set(project.glob("*/migrations/*.py")) - {project / "shared/tasks.py"}
    assert project / "worker/tasks.py" in others
    assert {str(path.relative_to(project)): found for path in others if (found := names & literals(path))} == {}


def test_the_schedule_has_no_others(project: Path, names: set[str]) -> None:
    """What beat sends since a migration has put it into the database is still a task."""
    found = {
        text for path in project.glob("scaggr/migrations/*.py") for text in literals(path) if isinstance(text, str)
    }
    scheduled = {"scaggr.heartbeat", "scaggr.prune", "scaggr.refresh_engines", "scaggr.expire_runs"}
    assert scheduled <= found & names
