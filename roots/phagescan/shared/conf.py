"""Where the configuration of a host is: TOML files that Salt writes from pillar."""

import os
import tomllib
from pathlib import Path
from typing import Any

CONF_DIR = "/etc/phagescan"
REMEDY = "salt-call --local state.highstate"


class ConfError(Exception):
    """A configuration file is missing or of no use; the message is one line that says what to do."""


class Table(dict[str, Any]):
    """A table of a configuration file that names its file and the key when a value is missing."""

    def __init__(self, path: Path, values: dict[str, Any], prefix: str = "") -> None:
        """Wrap the tables inside `values` likewise."""
        super().__init__(values)
        self._path, self._prefix = path, prefix
        for key, value in values.items():
            if isinstance(value, dict):
                self[key] = Table(path, value, f"{prefix}{key}.")

    def __missing__(self, key: str) -> Any:
        """Say which key of which file is missing."""
        raise ConfError(f"{self._path}: {self._prefix}{key} is missing: run {REMEDY}")


def load(name: str) -> Table:
    """Read `name`.toml from the configuration directory."""
    path = Path(os.environ.get("PHAGESCAN_CONF_DIR", CONF_DIR)) / f"{name}.toml"
    try:
        return Table(path, tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfError(f"cannot read {path} ({error.strerror}): run {REMEDY}") from error
    except ValueError:
        # The parser's own message may quote a value, and a value may be a password.
        raise ConfError(f"{path} is not valid TOML: run {REMEDY}") from None
