"""The process that runs one engine. The sandbox starts it by its path, as `python -I child.py`: nothing is inherited.

It reads requests from standard input, one JSON object a line, and writes an answer for each: what was asked for, or an
`error`. The first request says which engine to load, and how little the process may do.
"""

import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

ROOT = Path(__file__).resolve().parents[1]
IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
"""A service manager sends these to everything below the worker, which then still ends its scans."""

OUT_OF_MEMORY = "out of memory"


def main() -> None:
    """Answer until there are no more requests."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    requests, answers = private_pipes()
    sys.path.insert(0, str(ROOT))
    first = json.loads(requests.readline())
    engine, hello = None, {}
    try:
        engine, hello = begin(**first)
    except Exception as error:  # noqa: BLE001
        hello = {"error": describe(error)}
    answer(answers, hello)
    commands = {
        "scan": lambda path: vars(engine.scan(Path(path))),
        "self_test": lambda: engine.self_test() or {"version": engine.version()},
    }
    for line in requests:
        answer(answers, perform(commands, **json.loads(line)))


def begin(engine: str, options: dict[str, Any], memory: int, parent: int) -> tuple[Any, dict[str, Any]]:
    """Give up what the engine does not need, then make it. Return it with what it is.

    Its libraries are imported before: some of them start programs to find their own parts.
    """
    from engines import load, module  # noqa: PLC0415  the path to it was not known before
    from worker.confine import confine  # noqa: PLC0415

    system = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/magic", "/dev/null", "/dev/urandom", "/proc/meminfo")
    ours = (sys.prefix, sys.base_prefix, str(ROOT), tempfile.gettempdir(), *given_paths(options))
    module(engine)
    missing = confine(memory, parent, (*system, *ours))
    made = load(engine, options)
    return made, {"version": made.version(), "kind": made.kind, "missing": missing}


def given_paths(options: dict[str, Any]) -> list[str]:
    """Return the paths among an engine's options."""
    return [value for value in options.values() if isinstance(value, str) and value.startswith("/")]


def perform(commands: dict[str, Callable[..., dict[str, Any]]], do: str, **arguments: Any) -> dict[str, Any]:
    """Return what a command returns, or the error that it raised."""
    try:
        return commands[do](**arguments)
    except Exception as error:  # noqa: BLE001
        return {"error": describe(error)}


def describe(error: Exception) -> str:
    """Write an error in one line."""
    if isinstance(error, MemoryError):
        return OUT_OF_MEMORY
    return f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")


def private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Take the pipes away from standard input and output: what libraries print goes nowhere."""
    requests, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    os.close(nothing)
    return open(requests, "rb"), open(answers, "wb")


def answer(answers: BinaryIO, values: dict[str, Any]) -> None:
    """Write an answer."""
    answers.write(json.dumps(values).encode() + b"\n")
    answers.flush()


if __name__ == "__main__":
    main()
