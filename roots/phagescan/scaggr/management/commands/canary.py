"""manage.py canary: is every part of the master at work?"""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from scaggr.health.canary import fly
from scaggr.health.visit import Door


class Command(BaseCommand):
    """Send a canary and print in one line what each hop took, or which one is broken."""

    help = "Send a task through broker, workers, database and camera, a file through nginx, and tell how it went."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument("--timeout", type=float, default=30, help="seconds for the whole way (default: 30)")
        parser.add_argument("--worker", default="", help="the node of a scan worker, which has to be able to scan")
        parser.add_argument("--url", default="", help="the site, to which a file is then handed in as well")
        parser.add_argument("--address", default="127.0.0.1", help="where nginx listens for it (%(default)s)")
        parser.add_argument("--port", type=int, default=80, help="its port there (%(default)s)")
        parser.add_argument("--fingerprint", default="", help="SHA-256 of the certificate that it has to show")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, timeout: float, worker: str, url: str, json: bool, **options: Any) -> None:
        """Fly and report. The exit code is 1 when a hop is broken."""
        door = Door(options["address"], options["port"], url, options["fingerprint"]) if url else None
        flight = fly(timeout, worker, door)
        self.stdout.write(as_json(flight) if json else flight.line)
        if not flight.passed:
            sys.exit(1)


def as_json(flight: Any) -> str:
    """Return what programs read."""
    return json.dumps({"ok": flight.passed, "line": flight.line, "broken": flight.broken, "hops": flight.hops})
