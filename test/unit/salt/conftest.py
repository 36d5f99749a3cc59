"""What tests of Salt's extension modules share: a minion, and what stands for a host."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import salt.config
import salt.loader

ROOT = Path(__file__).parents[3]


@pytest.fixture
def minion(tmp_path: Path) -> Callable[..., SimpleNamespace]:
    """Makes a minion as salt-call would: `salt` (execution modules), `utils`, `opts` and `context`."""

    def make(pillar: dict[str, Any] | None = None, *, test: bool = False, **grains: Any) -> SimpleNamespace:
        opts = {
            **salt.config.DEFAULT_MINION_OPTS,
            "id": "unit",
            "file_client": "local",
            "module_dirs": [str(ROOT / "salt")],
            "extension_modules": str(tmp_path / "ext"),
            "cachedir": str(tmp_path / "cache"),
            "root_dir": str(tmp_path),
            "pillar": pillar or {},
            "grains": {
                "os_family": "Debian",
                "osfinger": "Debian-13",
                "kernel": "Linux",
                "ipv4": ["127.0.0.1"],
                **grains,
            },
            "test": test,
        }
        context: dict[str, Any] = {}
        utils = salt.loader.utils(opts, context=context)
        modules = salt.loader.minion_mods(opts, context=context, utils=utils)
        return SimpleNamespace(opts=opts, context=context, utils=utils, salt=modules)

    return make


@pytest.fixture
def certificates(load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """What is known of certificates; files keep their owner, as the tests may have to."""
    module = load("_utils/certificates")
    monkeypatch.setattr(module.os, "fchown", lambda *_: None)
    return module
