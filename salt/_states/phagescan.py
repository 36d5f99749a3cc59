"""States about Phagescan as a whole."""

from typing import Any


def refused(name: str) -> dict[str, Any]:
    """The run stops here, in a preview as well; `name` is the fault, a line for the operator."""
    return {"name": name, "result": False, "changes": {}, "comment": name}
