"""What a state returns, by how it went: its name, what changed, and a comment."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import salt.utils.secret

# Set by Salt's loader.
__pillar__: Mapping[str, Any]

SECRET = re.compile("pass|secret|token")
WORD = re.compile("[A-Za-z0-9]{12,}")


def clean(name: str, comment: str) -> dict[str, Any]:
    """Nothing is to be changed."""
    return {"name": name, "result": True, "changes": {}, "comment": comment}


def pending(name: str, changes: dict[str, Any], comment: str) -> dict[str, Any]:
    """A preview: this would be changed."""
    return {"name": name, "result": None, "changes": changes, "comment": comment}


def changed(name: str, changes: dict[str, Any], comment: str) -> dict[str, Any]:
    """It was changed; a state without changes is clean."""
    return {"name": name, "result": True, "changes": changes, "comment": comment}


def failed(name: str, error: object) -> dict[str, Any]:
    """It failed, and what watches it is not run. What a program said may repeat a password that it was given."""
    return {"name": name, "result": False, "changes": {}, "comment": public(str(error)), "skip_watch": True}


def public(text: str) -> str:
    """A text without pillar's secrets, in whatever way a program quotes them."""
    for secret in sorted({*_secrets(salt.utils.secret.expose(__pillar__))}, key=len, reverse=True):
        for form in (secret, quote(secret, safe=""), repr(secret)[1:-1], *WORD.findall(secret)):
            text = text.replace(form, "***")
    return text


def _secrets(pillar: Any, named: bool = False) -> Iterator[str]:
    """Texts that stand under a key with the name of a secret."""
    if isinstance(pillar, Mapping):
        for key, value in pillar.items():
            yield from _secrets(value, bool(SECRET.search(str(key))))
    elif named and isinstance(pillar, str) and len(pillar) > 5:
        yield pillar
