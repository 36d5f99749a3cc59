"""Keeps the content of pillar files out of Salt's log, whatever its level.

Of a file that it cannot render, Salt logs the text around the error and the exception with the values it met; at debug
also the whole template, and at the lowest level whatever it has rendered. In pillar all of that may be a password, so
an error is reported by its place and kind.
"""

import logging
import re
from collections.abc import Iterator
from typing import Any

from yaml import MarkedYAMLError
from yaml.parser import ParserError
from yaml.scanner import ScannerError

# Set by Salt's loader.
__opts__: dict[str, Any]

# Logged of every template with an error. Whoever asked for the template reports the error itself.
TEMPLATE = ("Rendering exception occurred", "Exception:", "Out: %s", "TmplStr: %s", "TraceStr: %s")

# Kinds of errors that say nothing to who has written the file.
WORDS = {
    "UnicodeDecodeError": "it is not UTF-8; save it as that",
    "ReaderError": "it has a character that YAML does not take, such as a control character",
    "UndefinedError": "a name is not defined (UndefinedError)",
}


def setup_handlers() -> bool:
    """Salt asks log handler modules for their handlers by this name; here it is filters, which see a record first."""
    for name, keeps in (("salt.pillar", _told), ("salt.template", _is_public), ("salt.utils.templates", _is_brief)):
        logging.getLogger(name).addFilter(keeps)
    return False


def _told(record: logging.LogRecord) -> bool:
    """Tell of a pillar file that cannot be rendered on one line, without its text, and once."""
    if record.exc_info and record.exc_info[1]:
        what = str(record.msg).partition(",")[0]
        record.msg, record.args, record.exc_info = f"{what}: {_reason(record.exc_info[1])}", (), None
    return "Please see master log" not in record.getMessage()


def _is_public(record: logging.LogRecord) -> bool:
    """Whether a rendered file is none of pillar."""
    path = str(record.args[0]) if isinstance(record.args, tuple) and record.args else ""
    return not any(path.startswith(f"{root}/") for root in __opts__["pillar_roots"]["base"])


def _is_brief(record: logging.LogRecord) -> bool:
    return record.msg not in TEMPLATE


def _reason(error: BaseException) -> str:
    text = str(error)
    if text == "GPG unavailable":
        return "it is encrypted, and there is no gpg; apt-get install gnupg"
    if text.startswith("Could not decrypt cipher"):
        why = re.search(r"decryption failed: ([\w ]+)", text)
        keys = __opts__["gpg_keydir"]
        return f"gpg cannot decrypt it: {why[1] if why else 'no valid message'}; its key belongs into {keys}"
    errors = list(_chain(error))
    places = (_place(each) for each in errors)
    place = next((place for place in places if place), "")
    # What these say is libyaml's own words; others quote what they met.
    if twice := next(filter(None, (re.search(r"conflicting ID '([^'\n]+)'", str(each)) for each in errors)), None):
        return f"{place.partition(',')[0].rstrip(': ')}: the key {twice[1]} is there twice; take out one"
    syntax = next((each.problem for each in errors if isinstance(each, ScannerError | ParserError)), None)
    if syntax and syntax.endswith("start any token"):  # libyaml does not say which
        syntax += " (a tab, say: YAML takes blanks)"
    kind = type(errors[-1]).__name__
    return f"{place}{syntax or WORDS.get(kind, kind)}; the line is not shown, it may hold a password"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and those from which it came."""
    while error:
        yield error
        error = error.__cause__ or error.__context__


def _place(error: BaseException) -> str:
    if isinstance(error, MarkedYAMLError) and error.problem_mark:
        return f"line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}: "
    line = getattr(error, "line_num", None) or getattr(error, "lineno", None)
    return f"line {line}: " if line else ""
