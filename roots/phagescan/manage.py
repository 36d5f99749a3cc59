#!/usr/bin/env python
"""Django's command line."""

import os
import sys

from django.core.management import execute_from_command_line

from shared.conf import ConfError


def main() -> None:
    """Run the command that the arguments name."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "scaggr.settings")
    try:
        execute_from_command_line(sys.argv)
    except ConfError as error:
        sys.exit(f"manage.py: {error}")


if __name__ == "__main__":
    main()
