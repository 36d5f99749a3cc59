"""Names and texts on their way into SQL and into psql's own commands."""

import random
import re
from collections.abc import Callable
from types import ModuleType

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
    """One line with one quoted name, and in the new session statements stay out of the log again."""
    for text in NASTY:
        if "\n" not in text:
            command, _, rest = psql.connect(text).partition("\n")
            assert re.fullmatch(r'\\connect "(?:""|[^"])*"', command), text
            assert rest == psql.QUIET
    assert "log_statement = 'none'" in psql.QUIET
