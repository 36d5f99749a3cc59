"""What comes in from outside becomes text that is safe: names of files, key-values of engines, searches."""
# ruff: noqa: D103  (the names of the tests say it)

import io
import logging
import math
import random
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("sample.exe", "sample.exe"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Windows\\..\\evil.dll", "evil.dll"),
        ("/etc\\mixed/up\\name", "name"),
        ("a\0b\r\nc\x1b[31m", "abc[31m"),
        ("photo\u202egnp.exe", "photognp.exe"),
        ("\u2066hidden\u2069\u200b\ufeff", "hidden"),
        ("half \ud800 pair", "half  pair"),
        ("line\u2028end", "lineend"),
        ("  spaces \t", "spaces"),
        ("..", "unnamed"),
        (".", "unnamed"),
        ("", "unnamed"),
        ("folder/", "unnamed"),
        ("\u202e\0", "unnamed"),
        (".profile", ".profile"),
        ("Bericht für Müller 漢字.pdf", "Bericht für Müller 漢字.pdf"),
    ],
)
def test_names_lose_paths_and_what_cannot_be_seen(text: Any, name: str, clean: str) -> None:
    assert text.clean_name(name) == clean


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("n" * 10_000 + ".docx", ".docx"),
        ("n" * 10_000, "nnn"),
        ("." + "n" * 10_000, "nnn"),
        ("n." + "x" * 10_000, "xxx"),
        ("ü" * 300 + ".tar.gz", "ü.gz"),
    ],
)
def test_long_names_keep_a_suffix_that_is_one(text: Any, name: str, end: str) -> None:
    clean = text.clean_name(name)
    assert len(clean) == 255
    assert clean.endswith(end)
    assert clean[0] == name[0]


def test_text_is_what_postgresql_takes(text: Any) -> None:
    assert text.clip("a\0b\ud800c", 4) == "a\ufffdb\ufffd"
    assert text.clip(12, 4) == "12"
    assert text.clip_bytes("ab漢", 4) == "ab"
    assert text.clip_bytes("\0", 4) == "\ufffd"


@pytest.mark.parametrize("metadata", [None, [], "text", 3, [("a", "b")]])
def test_what_is_no_mapping_is_no_metadata(text: Any, metadata: Any) -> None:
    assert text.as_hstore(metadata) == {}


def test_metadata_is_text_of_bounded_size(text: Any) -> None:
    assert text.as_hstore({"a": 1, "b": None, "c": [1], "d\0": "\0", "": "nothing"}) == {
        "a": "1",
        "b": "None",
        "c": "[1]",
        "d\ufffd": "\ufffd",
    }
    chance = random.Random(3)
    letters = "".join(chance.choices("aß漢𝄞", k=10_000))
    long = text.as_hstore({f"{number:03}" + "ü" * 500: letters[number:][:9000] for number in range(1000)})
    assert len(long) == 200
    assert max(len(key) for key in long) == 100
    assert 1990 < max(len(value.encode()) for value in long.values()) <= 2000


@pytest.mark.parametrize(
    ("value", "duration"),
    [
        (1.5, 1.5),
        ("2", 2.0),
        (0, 0.0),
        (None, None),
        ("x", None),
        (-1, None),
        (math.inf, None),
        (math.nan, None),
        ({}, None),
    ],
)
def test_a_duration_is_a_number_or_nothing(text: Any, value: Any, duration: float | None) -> None:
    assert text.seconds(value) == duration


@pytest.mark.parametrize(
    ("q", "query"),
    [
        ("", ("", "", None)),
        ("  eicar ", ("eicar", "", None)),
        ("abcdef", ("abcdef", "abcdef", None)),
        ("ABCDEF01", ("ABCDEF01", "abcdef01", None)),
        ("abcde", ("abcde", "", None)),
        ("f" * 64, ("f" * 64, "f" * 64, None)),
        ("f" * 65, ("f" * 65, "", None)),
        ("type=PDF", ("type=PDF", "", ("type", "PDF"))),
        ("type: PE32 = x", ("type: PE32 = x", "", ("type", "PE32 = x"))),
        ("type=", ("type=", "", ("type", ""))),
        ("=x", ("=x", "", None)),
        (" = ", ("=", "", None)),
        ("a\n=b", ("a\n=b", "", ("a", "b"))),
        ("\0", ("\ufffd", "", None)),
        ("\ud800", ("\ufffd", "", None)),
    ],
)
def test_searches_are_understood(text: Any, q: str, query: tuple[Any, ...]) -> None:
    assert tuple(text.parse_query(q)) == query


def test_a_long_search_is_cut(text: Any) -> None:
    assert len(text.parse_query("x" * 1_000_000).text) == text.QUERY_LENGTH


def test_logged_text(text: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A message from elsewhere neither begins a line as records do, nor gives orders to a terminal."""
    logger = logging.Logger("unit")
    handler = logging.StreamHandler(io.StringIO())
    handler.addFilter(text.PrintableFilter())
    logger.addHandler(handler)
    logger.error("worker %s", "a\x1b[2J\n[2026-01-01] forged")
    try:
        raise ValueError("\x1b[0m")
    except ValueError:
        logger.exception("failed")
    written = handler.stream.getvalue()
    assert written.startswith("worker a\ufffd[2J\n  [2026-01-01] forged\n")
    assert "\x1b" not in written


@pytest.mark.parametrize(
    ("given", "kept"), [("u\u0308ber.exe", "\u00fcber.exe"), ("A\u030a", "\u00c5"), ("plain", "plain")]
)
def test_names_are_found_however_they_are_written(text: Any, given: str, kept: str) -> None:
    """A Mac writes `\u00fc` as two characters, and people search for it as one; or the other way round."""
    assert text.clean_name(given) == kept
    assert text.parse_query(given).text == kept
    assert text.as_hstore({given: given}) == {kept: kept}


def test_plain(text: Any) -> None:
    """Of ASCII all is kept that can be seen, and ends of lines; of the rest what can be written."""
    kept = [char for char in map(chr, range(128)) if text.plain(char) == char]
    assert kept == ["\t", "\n", *map(chr, range(32, 127))]
    assert text.plain("a\0b") == "a\ufffdb"
    assert text.plain("a\ud800 u\u0308") == "a\ufffd \u00fc"
    assert text.plain(7) == "7"
