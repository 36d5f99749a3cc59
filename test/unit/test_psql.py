"""Names and texts on their way into SQL and into psql's own commands."""

import random
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

NASTY = [
    "",
    "plain",
    "Mixed Case",
    "it's",
    "''",
    'say "hi"',
    '"',
    "back\\slash",
    "\\",
    "\\'",
    "'\\",
    "\\\\''",
    "'; DROP DATABASE shop; --",
    '"; DROP DATABASE shop; --',
    "$$ $tag$",
    ":variable :'x' :\"y\"",
    "`id`",
    "-x",
    "a%b_c",
    "tab\there",
    "zwölf \u2603",
    "E'x'",
    "\\connect other",
]
SEEDED = random.Random(7677)
NASTY += ["".join(SEEDED.choices("'\"\\;:$`-aE \n", k=SEEDED.randint(1, 12))) for _ in range(200)]


@pytest.fixture
def psql(load: Callable[..., ModuleType]) -> ModuleType:
    """The utility module."""
    return load("_utils/psql")


def test_program(psql: ModuleType, tmp_path: Path) -> None:
    """The newest by number, old versions with a dot among them; none on a bare host."""
    psql.pathlib = SimpleNamespace(Path=lambda _path: tmp_path)
    assert psql.program() is None
    for version in ("9.6", "15", "17"):
        (tmp_path / version / "bin").mkdir(parents=True)
        (tmp_path / version / "bin" / "psql").touch()
    assert psql.program() == str(tmp_path / "17" / "bin" / "psql")


def test_literal(psql: ModuleType) -> None:
    """The constant ends where it should, and PostgreSQL reads the very text from it."""
    for text in NASTY:
        match = re.fullmatch(r"E'((?:\\[\\]|''|[^'\\])*)'", psql.literal(text), re.DOTALL)
        assert match, text
        assert re.sub(r"\\\\|''", lambda pair: pair[0][0], match[1]) == text


def test_identifier(psql: ModuleType) -> None:
    """The identifier ends where it should, and means the very name."""
    for text in NASTY:
        match = re.fullmatch(r'"((?:""|[^"])*)"', psql.identifier(text), re.DOTALL)
        assert match, text
        assert match[1].replace('""', '"') == text


def test_connect(psql: ModuleType) -> None:
    """One line with one quoted connection string of the very name; in the new session statements stay out of the log."""
    for text in NASTY:
        if "\n" not in text:
            command, _, rest = psql.connect(text).partition("\n")
            quoted = re.fullmatch(r'\\connect -reuse-previous=on "((?:""|[^"])*)"', command)
            assert quoted, text
            named = re.fullmatch(r"dbname='((?:\\.|[^'\\])*)'", quoted[1].replace('""', '"'))
            assert named, text
            assert re.sub(r"\\(.)", r"\1", named[1]) == text
            assert rest == psql.QUIET
    assert "log_statement = 'none'" in psql.QUIET
