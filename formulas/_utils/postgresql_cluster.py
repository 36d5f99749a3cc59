"""PostgreSQL clusters of this host, as Debian's tools keep them: where they run they are asked, by postmaster.pid."""

import contextlib
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import programs

SETTINGS = pathlib.Path("/etc/postgresql")
DATA = pathlib.Path("/var/lib/postgresql")
PROC = pathlib.Path("/proc")
PORT, SOCKETS = "5432", "/var/run/postgresql"  # of Debian's PostgreSQL, where its configuration says nothing else
OURS = "conf.d/salt.conf"
CONTENT = "# Written by Salt, formula postgresql, which has made this cluster.\nport = {}\n"
LINE = re.compile(r"^\s*(\w+)\s*=?\s*(?:'((?:[^'\n]|'')*)'|([^\s#']+))", re.MULTILINE)
FIRST = 16384  # number of the first database that is not PostgreSQL's own


def found() -> dict[str, dict[str, Any]]:
    """Each cluster by its name (`17/main`): its `port`, whether it `runs`, its directories of `sockets`, the `file` of
    its settings, and whether it is `movable`: made by this formula, or empty and stopped.
    """
    return {"/".join(path.parts[-3:-1]): _cluster(path) for path in sorted(SETTINGS.glob("*/*/postgresql.conf"))}


def mark(name: str, port: int) -> None:
    """Write down that a cluster is this formula's, and its port."""
    path = SETTINGS / name / OURS
    path.parent.mkdir(exist_ok=True)
    path.write_text(CONTENT.format(port))
    path.chmod(0o644)


def move(name: str, port: int) -> None:
    """Have a cluster listen on another port; raises CommandExecutionError where it does not."""
    mark(name, port)
    settings = _settings(SETTINGS / name / "postgresql.conf")
    if settings["port"] != str(port):
        programs.call("pg_conftool", *name.split("/"), "set", "port", str(port), cwd="/")
    if found()[name]["runs"]:
        programs.call("pg_ctlcluster", *name.split("/"), "restart", cwd="/")


def _cluster(path: pathlib.Path) -> dict[str, Any]:
    settings = _settings(path)
    data = pathlib.Path(settings["data_directory"])
    running = _running(data)
    return {
        "port": running or int(settings["port"]),
        "runs": running is not None,
        "sockets": re.split(r"\s*,\s*", settings["unix_socket_directories"].strip()),
        "file": str(path),
        "movable": (path.parent / OURS).exists() or (running is None and _empty(data)),
    }


def _settings(path: pathlib.Path) -> dict[str, str]:
    data = DATA / "/".join(path.parts[-3:-1])
    found = {"port": PORT, "unix_socket_directories": SOCKETS, "data_directory": str(data)}
    found |= _read(path)
    return found | dict(_entries(pathlib.Path(found["data_directory"]) / "postgresql.auto.conf"))


def _read(path: pathlib.Path) -> dict[str, str]:
    """Settings of a file, and of those that it includes, in their order."""
    found: dict[str, str] = {}
    for key, value in _entries(path):
        if key in ("include", "include_if_exists"):
            found |= _read(path.parent / value)
        elif key == "include_dir":
            for each in sorted((path.parent / value).glob("*.conf")):
                found |= _read(each)
        else:
            found[key] = value
    return found


def _entries(path: pathlib.Path) -> Iterator[tuple[str, str]]:
    with contextlib.suppress(OSError):
        for key, quoted, plain in LINE.findall(path.read_text(errors="replace")):
            yield key.lower(), plain or quoted.replace("''", "'")


def _running(data: pathlib.Path) -> int | None:
    """Port of the server that has this directory, where one runs."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        lines = (data / "postmaster.pid").read_text(errors="replace").splitlines()
        if (PROC / lines[0].strip() / "comm").read_bytes().startswith(b"postgres"):
            return int(lines[3])
    return None


def _empty(data: pathlib.Path) -> bool:
    """Whether there are no databases but PostgreSQL's own."""
    with contextlib.suppress(OSError):
        return all(int(path.name) < FIRST for path in (data / "base").iterdir() if path.name.isdigit())
    return False
