"""What Salt serves, with a master and without."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest


@pytest.fixture
def roots(tmp_path: Path) -> list[Path]:
    """Two directories that Salt serves from; the first counts."""
    for name, text in {
        "a/app/x.py": "first",
        "b/app/x.py": "second",
        "b/app/deep/y": "y",
        "b/__pycache__/z": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "b/broken").symlink_to("nowhere")
    return [tmp_path / "a", tmp_path / "b"]


def test_without_a_master(minion: Callable[..., SimpleNamespace], roots: list[Path]) -> None:
    """Files are read in place, those of the first root before others; what leads nowhere is not served."""
    found = minion(file_roots=roots).salt["served.files"]()
    assert found == {"app/x.py": str(roots[0] / "app/x.py"), "app/deep/y": str(roots[1] / "app/deep/y")}


def test_from_a_master(load: Callable[..., Any], tmp_path: Path) -> None:
    """Files are those of Salt's cache."""
    cached = [f"{tmp_path}/files/base/app/x.py", f"{tmp_path}/files/base/app/__pycache__/x.pyc", ""]
    module = load(
        "_modules/served",
        __opts__={"file_client": "remote", "cachedir": str(tmp_path)},
        __salt__={"cp.cache_dir": lambda _url, _environment: cached},
        __context__={},
    )
    assert module.files() == {"app/x.py": cached[0]}
