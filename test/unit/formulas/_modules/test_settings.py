"""Settings of a formula: defaults, what the project hands down, and pillar."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

DEFAULTS = """
port: 80
user: www-data
options: {a: 1, b: 2}
version: 0
osfinger:
  Debian-13: {version: 17}
  Debian-12: {version: 15}
"""


@pytest.fixture
def settings(load: Callable[..., Any], minion: Callable[..., SimpleNamespace], tmp_path: Path) -> Callable[..., Any]:
    """The module with a formula `shop`, whose project hands down a user."""
    (tmp_path / "tree/shop").mkdir(parents=True)
    (tmp_path / "tree/shop/defaults.yaml").write_text(DEFAULTS)

    def make(pillar: dict[str, Any], handed: dict[str, Any] | None = None, release: str = "Debian-13") -> Any:
        made = minion(pillar, file_roots=[tmp_path / "tree"])
        utils = {"layers.merge": made.utils["layers.merge"]}
        if handed is not None:
            utils["inherited.of"] = lambda formula, _get, _grains: handed if formula == "shop" else {}
        salt = {name: made.salt[name] for name in ("pillar.get", "served.files")}
        grains = {"osfinger": release}
        return load("_modules/settings", __salt__=salt, __utils__=utils, __context__={}, __grains__=grains)

    return make


def test_get(settings: Callable[..., Any]) -> None:
    """Pillar counts over the project, and that over the defaults; mappings are merged."""
    defaults = {"port": 80, "user": "www-data", "options": {"a": 1, "b": 2}, "version": 17}
    assert settings({}).get("shop", unmask=True) == defaults
    assert settings({}, {"user": "seller"}).get("shop", unmask=True) == defaults | {"user": "seller"}
    pillar = {"shop": {"user": "mine", "options": {"b": 3}}}
    found = settings(pillar, {"user": "seller"}, "Debian-12").get("shop", unmask=True)
    assert found == {"port": 80, "user": "mine", "options": {"a": 1, "b": 3}, "version": 15}


def test_namespace_without_defaults(settings: Callable[..., Any]) -> None:
    """It has what pillar says, and what is handed down."""
    assert settings({"other": {"a": 1}}).get("other", unmask=True) == {"a": 1}
    assert settings({}).get("other", unmask=True) == {}


def test_masked(settings: Callable[..., Any]) -> None:
    """On the command line a password is not shown, unless one asks for that."""
    module = settings({"shop": {"password": "unit-0123456789"}})
    assert "unit-0123456789" not in str(module.get("shop"))
    assert module.get("shop", unmask=True)["password"] == "unit-0123456789"
