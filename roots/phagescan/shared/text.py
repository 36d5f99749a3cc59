"""Text from outside, made fit to be kept, searched and shown."""

import logging
import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Any, NamedTuple

NAME_LENGTH = 255
SUFFIX_LENGTH = 32
KEYS = 200
KEY_LENGTH = 100

VALUE_BYTES = 2000
"""A value is an entry of the GIN index as a whole, and PostgreSQL takes none of more than 2,700 bytes there."""

QUERY_LENGTH = 300
"""Characters that are searched for: gunicorn takes 4094 bytes of an address, and a character may need twelve."""

# Control characters, those that turn the direction of writing and other unseen ones, lone surrogates, line ends.
UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


CONTROLS = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


class Query(NamedTuple):
    """What somebody searches for: text, a hash or its beginning, a key with its value."""

    text: str
    prefix: str
    pair: tuple[str, str] | None


def plain(text: object) -> str:
    """Return text that PostgreSQL takes and a terminal only shows: without control characters, save the ends of lines,
    and without halves of surrogate pairs. It is composed (NFC), so that what looks the same is the same: a Mac's file
    names are not.
    """
    text = str(text)
    if text.isascii() and text.isprintable():
        return text
    return unicodedata.normalize("NFC", CONTROLS.sub("\ufffd", text))


class PrintableFilter(logging.Filter):
    """Has a message from elsewhere neither begin a line as records do, nor give orders to a terminal."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep the record, with its text made printable."""
        record.msg, record.args = plain(record.getMessage()).replace("\n", "\n  "), ()
        if record.exc_info:
            record.exc_text = plain(logging.Formatter().formatException(record.exc_info))
        return True


def brief(error: object) -> str:
    """Return the first line of an error."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def clip(text: object, length: int) -> str:
    """Return the beginning of a text."""
    return plain(text)[:length]


def clip_bytes(text: object, length: int) -> str:
    """Return as much of the beginning of a text as goes into so many bytes."""
    return plain(text).encode()[:length].decode(errors="ignore")


def clean_name(name: str) -> str:
    """Return the name of a file without its path and without what cannot be seen; a long one keeps its suffix."""
    name = "".join(char for char in re.split(r"[/\\]", name)[-1] if unicodedata.category(char) not in UNSEEN)
    name = unicodedata.normalize("NFC", name).strip()
    if len(name) > NAME_LENGTH:
        stem, dot, suffix = name.rpartition(".")
        tail = dot + suffix if stem and len(suffix) < SUFFIX_LENGTH else ""
        name = name[: NAME_LENGTH - len(tail)] + tail
    return "unnamed" if name in {"", ".", ".."} else name


def as_hstore(metadata: Any) -> dict[str, str]:
    """Return key-values as the column takes them: text with text, not too many and not too long."""
    if not isinstance(metadata, Mapping):
        return {}
    pairs = ((clip(key, KEY_LENGTH), clip_bytes(value, VALUE_BYTES)) for key, value in metadata.items())
    return dict([pair for pair in pairs if pair[0]][:KEYS])


def seconds(value: Any) -> float | None:
    """Return a duration, or None for what is none."""
    try:
        duration = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return duration if math.isfinite(duration) and duration >= 0 else None


def parse_query(q: str) -> Query:
    """Find out what is searched for. Nothing is refused.

    >>> parse_query("type: PE32")
    Query(text='type: PE32', prefix='', pair=('type', 'PE32'))
    >>> parse_query("275A021B")
    Query(text='275A021B', prefix='275a021b', pair=None)
    """
    text = plain(q).strip()[:QUERY_LENGTH]
    pair = re.fullmatch(r"([^=:]+)[=:](.*)", text, re.DOTALL)
    return Query(
        text,
        text.lower() if re.fullmatch("[0-9A-Fa-f]{6,64}", text) else "",
        (pair[1].strip(), pair[2].strip()) if pair and pair[1].strip() else None,
    )
