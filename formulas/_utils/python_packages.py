"""pip with an environment of its own: of the host's configuration counts only where packages come from.

`user`, `target`, `prefix` and the like, in pip.conf or as PIP_USER, would put them elsewhere. bootstrap runs this file
by itself: <virtualenv>/bin/python -I python_packages.py install ...
"""

import configparser
import os
import sys
from collections.abc import Mapping

PIP = (sys.executable, "-I", "-m", "pip")
SOURCES = (
    *("index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "cert", "client-cert", "proxy"),
    *("timeout", "default-timeout", "retries"),
)
# Where pip looks, later ones win (its documentation, "Configuration"); and in which sections.
FILES = ("/etc/xdg/pip/pip.conf", "/etc/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf")
SECTIONS = ("global", "install")


def environment(given: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Variables that pip is to be run with."""
    options = {"CONFIG_FILE": os.devnull, "DISABLE_PIP_VERSION_CHECK": "1", "NO_INPUT": "1"}
    for name in SOURCES:
        variable = name.upper().replace("-", "_")
        value = given.get(f"PIP_{variable}") or configured(name, given.get("PIP_CONFIG_FILE", ""))
        options |= {variable: value} if value else {}
    # A server keeps no copy of what it has installed, unless the environment names a place for it.
    options |= {"CACHE_DIR": given["PIP_CACHE_DIR"]} if "PIP_CACHE_DIR" in given else {"NO_CACHE_DIR": "1"}
    kept = {name: value for name, value in given.items() if not name.startswith(("PIP_", "PYTHON", "VIRTUAL_ENV"))}
    return kept | {f"PIP_{name}": value for name, value in options.items()}


def configured(name: str, more: str = "") -> str:
    """What pip's files say of a key, with blanks between several values; nothing where they do not.

    `more` is the file that PIP_CONFIG_FILE names: in place of the user's, where there is one.
    """
    if more == os.devnull:
        return ""
    parser = configparser.RawConfigParser(strict=False)
    files = (more, *FILES[:2]) if os.path.exists(more) else FILES
    parser.read(map(os.path.expanduser, files), encoding="utf-8")
    values = [parser.get(section, name, fallback="") for section in SECTIONS]
    return " ".join([value for value in values if value][-1:]).replace("\n", " ").strip()


def trial(virtualenv: str, lock: str) -> list[str]:
    """The command that fetches what a virtualenv lacks of a lock, as the state python_lock does, and installs nothing.

    Where nothing is lacking it asks no index.
    """
    python = f"{virtualenv}/bin/python"
    there = ["--python", python] if os.access(python, os.X_OK) else []
    again = [] if there else ["--ignore-installed"]
    options = ["--dry-run", "--quiet", "--retries=1", "--no-deps", "--require-hashes", "--requirement", lock]
    return [*PIP, *there, "install", *again, *options]


if __name__ == "__main__":
    os.execve(sys.executable, [*PIP, *sys.argv[1:]], environment())  # noqa: S606
