"""Templates that were compiled by a run before."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
import pytest
from jinja2.bccache import bc_magic

TEXT = "{% if x %}\n{{ x | upper }}{% endif %}"


@pytest.fixture
def compiled(load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SimpleNamespace:
    """The module, used by a new process for each call of `render`; `anew` lists what Jinja compiled itself."""
    module, compile_anew = load("_executors/templates"), jinja2.Environment.compile
    made = SimpleNamespace(module=module, anew=[], folder=tmp_path / "templates", later=None)

    def noted(self: jinja2.Environment, source: str, *rest: Any, **more: Any) -> Any:
        made.anew.append(source)
        return compile_anew(self, source, *rest, **more)

    def render(source: str, **options: Any) -> str:
        with monkeypatch.context() as patch:
            patch.setattr(jinja2.Environment, "compile", noted)
            for _ in range(2):  # a minion has several calls in a process
                assert module.execute({"cachedir": str(tmp_path)}, {}, print, [], {}) is None
            return jinja2.Environment(**options).from_string(source).render(x="y")

    made.render = render
    return made


def test_once(compiled: SimpleNamespace) -> None:
    """A text is compiled once, and again where it or how it is read has changed."""
    assert [compiled.render(TEXT) for _ in range(3)] == ["\nY"] * 3
    assert compiled.anew == [TEXT]
    assert compiled.render(TEXT, trim_blocks=True) == "Y"
    assert compiled.render(TEXT + "!") == "\nY!"
    assert len(compiled.anew) == 3
    assert compiled.folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("left", [b"", bc_magic, bc_magic + b"x" * 9, b"x" * 99])
def test_spoiled(compiled: SimpleNamespace, left: bytes) -> None:
    """What a power cut has left of a file is not taken for a template."""
    compiled.render(TEXT)
    (file,) = compiled.folder.iterdir()
    file.write_bytes(left)
    assert compiled.render(TEXT) == "\nY"
    assert len(compiled.anew) == 2


def test_bounded(compiled: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Templates of former trees do not pile up."""
    monkeypatch.setattr(compiled.module, "MOST", 3)
    for number in range(10):
        assert compiled.render(f"{TEXT}{number}") == f"\nY{number}"
        assert len(list(compiled.folder.iterdir())) <= 3


def test_other_marks(compiled: SimpleNamespace) -> None:
    """An environment that reads templates otherwise has its own."""
    assert compiled.render("{{ x }}<< x >>") == "y<< x >>"
    marks = {"variable_start_string": "<<", "variable_end_string": ">>"}
    assert compiled.render("{{ x }}<< x >>", **marks) == "{{ x }}y"


def test_result_that_may_change(compiled: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Jinja works out as it compiles, by a filter that looks at the host, is worked out by each run."""
    for number in "12":
        monkeypatch.setitem(jinja2.defaults.DEFAULT_FILTERS, "file_hashsum", lambda path, number=number: number)
        assert compiled.render("{{ '/file' | file_hashsum }}") == number


def test_no_place(compiled: SimpleNamespace) -> None:
    """Without a place for it, templates are compiled as ever."""
    compiled.folder.touch()
    assert compiled.render(TEXT) == "\nY"
