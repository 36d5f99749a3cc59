"""manage.py status: how each part of the master is, for `salt-call --local phagescan.status`."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from scaggr.health.checks import Master


class Command(BaseCommand):
    """Tell of each part whether it does what it is for."""

    help = "Tell as one JSON object of each part whether it does what it is for. Nothing is started or changed."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what pillar knows of this host."""
        parser.add_argument(
            "nodes", nargs="*", metavar="NODE", help="Celery nodes that should answer; none in development"
        )
        parser.add_argument(
            "--frequency", type=float, default=2, help="seconds between two snapshots of the camera (default: 2)"
        )

    def handle(self, *args: Any, nodes: list[str], frequency: float, **options: Any) -> None:
        """Look and report. The exit code is 1 when a part is broken."""
        parts = Master(nodes, frequency).parts()
        self.stdout.write(json.dumps(parts))
        if any(part["ok"] is False for part in parts.values()):
            sys.exit(1)
