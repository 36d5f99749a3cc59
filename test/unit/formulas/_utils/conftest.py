"""The utils of formulas, on hosts of a temporary directory."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def daemon(load: Callable[..., Any], tmp_path: Path) -> Any:
    """The util on a host without systemd, its calls noted in `module.calls`."""
    module = load("_utils/daemon")
    module.calls = []
    module.real_call = module.call
    module.call = lambda *command: module.calls.append(" ".join(command)) or ""
    module._booted = lambda: False
    module.STAMPS = tmp_path / "stamps"
    return module
