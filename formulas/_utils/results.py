"""What a state returns, by how it went: its name, what changed, and a comment."""

from typing import Any


def clean(name: str, comment: str) -> dict[str, Any]:
    """Nothing is to be changed."""
    return {"name": name, "result": True, "changes": {}, "comment": comment}


def pending(name: str, changes: dict[str, Any], comment: str) -> dict[str, Any]:
    """A preview: this would be changed."""
    return {"name": name, "result": None, "changes": changes, "comment": comment}


def changed(name: str, changes: dict[str, Any], comment: str) -> dict[str, Any]:
    """It was changed; a state without changes is clean."""
    return {"name": name, "result": True, "changes": changes, "comment": comment}


def failed(name: str, error: object) -> dict[str, Any]:
    """It failed, and what watches it is not run."""
    return {"name": name, "result": False, "changes": {}, "comment": str(error), "skip_watch": True}
