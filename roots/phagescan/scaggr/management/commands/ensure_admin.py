"""manage.py ensure_admin: the admin account as pillar wants it."""

import sys
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

RIGHTS = ("is_active", "is_staff", "is_superuser")


class Command(BaseCommand):
    """Create the superuser, or give it back its password and its rights."""

    help = "Create or repair a superuser. Its password is one line on standard input."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the user's name."""
        parser.add_argument("username")

    def handle(self, *args: Any, username: str, **options: Any) -> None:
        """Print `created`, `updated` or `unchanged`."""
        password = sys.stdin.readline().rstrip("\r\n")
        if not password:
            raise CommandError("no password on standard input")
        users = get_user_model().objects
        user = users.filter(username=username).first()
        if user is None:
            users.create_superuser(username, password=password)
            outcome = "created"
        elif user.check_password(password) and all(getattr(user, right) for right in RIGHTS):
            outcome = "unchanged"
        else:
            user.set_password(password)
            for right in RIGHTS:
                setattr(user, right, True)
            user.save()
            outcome = "updated"
        self.stdout.write(outcome)
