"""python -m worker.status NODE FOLDER: how the scan worker NODE is, as one JSON object; FOLDER is its service's in
/run.

It may not ask itself over the broker, as its login has no right to give orders. Its announcement shows as much: its
loop goes on, the broker has taken what it sent, and each engine has scanned what its pool was given or not.
"""

import contextlib
import json
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from shared import clock
from shared.conf import ConfError, load
from shared.parts import TIMEOUT, Part, PartError, degraded, excuse, log_in, look, startup, unknown
from worker.announce import ANNOUNCED, EVERY
from worker.fetch import AwayError, UnwantedError, received
from worker.probe import patience

LATE = 3 * EVERY
NOT_KNOWN = unknown("it is the worker that tells of them")


def main() -> None:
    """Look and report. The exit code is 1 when a part is broken."""
    node, folder = sys.argv[1:]
    conf = load("worker")
    with ThreadPoolExecutor() as pool:
        fetch = pool.submit(look, fetched, conf["scan"]["master_url"], conf["ca_certs"])
        told = announced(node, Path(folder, ANNOUNCED), EVERY + patience(conf["engines"]))
        parts = {"broker-worker": look(broker, conf["broker"])} | told
        parts["fetch"] = fetch.result() | {"of": node}
    if not parts["broker-worker"]["ok"]:
        excuse(parts, node, "the broker is broken")
    print(json.dumps(parts))
    sys.exit(any(part["ok"] is False for part in parts.values()))


def broker(conf: Mapping[str, Any]) -> str:
    """Log in."""
    connection, said = log_in(conf)
    connection.collect()
    return said


def fetched(master_url: str, ca_certs: str = "") -> str:
    """Ask the master for a sample without a right to it, which it refuses."""
    try:
        with contextlib.closing(received(master_url, "none", "", ca_certs, TIMEOUT)) as answer:
            next(answer, None)
    except UnwantedError:
        return f"{master_url} answers"
    except AwayError as error:
        raise PartError(f"{master_url}: {error}") from error
    raise PartError(f"{master_url} gives samples to whoever asks")


def announced(node: str, file: Path, due: float) -> dict[str, Part]:
    """Say of the node and its engines what it last announced; the first time is `due` so many seconds after its
    start. A worker keeps the name that its host had then.
    """
    late = {"ok": False, "startup": startup(due, node)}
    try:
        written = datetime.fromtimestamp(file.stat().st_mtime, UTC)
        kept = json.loads(file.read_text())
        engines, name = (kept["engines"], kept["node"]) if isinstance(kept, dict) else (kept, node)
    except (OSError, ValueError, KeyError):
        return {node: late | {"said": "has announced nothing to the master"}, "engines": NOT_KNOWN}
    said = f"announced its engines {clock.ago(written)} ago"
    if not clock.is_recent(written, timedelta(seconds=LATE)):
        return {node: late | {"said": said}, "engines": NOT_KNOWN}
    faults = [f"{engine['name']}: {engine['problem']}" for engine in engines if engine["problem"]]
    warnings = [f"{engine['name']}: {engine['warning']}" for engine in engines if engine.get("warning")]
    names = ", ".join(engine["name"] for engine in engines)
    found = {"ok": not faults, "said": "; ".join(faults) or names, "of": node}
    renamed = f"works as {name}, as this host was called when it was started: run salt-call --local state.highstate"
    return {
        node: {"ok": True, "said": said} if name == node else degraded(renamed),
        "engines": degraded("; ".join(warnings)) if warnings and not faults else found,
    }


if __name__ == "__main__":
    try:
        main()
    except ConfError as error:
        sys.exit(f"worker.status: {error}")
