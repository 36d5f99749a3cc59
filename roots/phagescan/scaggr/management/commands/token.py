"""manage.py token: a token for the API."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from scaggr.models import ApiToken


class Command(BaseCommand):
    """Make a token. It is shown this once: only its digest is kept."""

    help = (
        "Make a token for the API and print it. It cannot be shown again. "
        "The Admin UI revokes it, and so does a new password of the user."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the user's name, and how long the token is good."""
        parser.add_argument("user")
        parser.add_argument("--days", type=int, default=ApiToken.DAYS, help="days until it expires (%(default)s)")

    def handle(self, *args: Any, user: str, days: int, **options: Any) -> None:
        """Print the token."""
        if not 0 < days < 36500:
            raise CommandError(f"--days must be from 1 to 36499, not {days}")
        owner = get_user_model().objects.filter(username=user).first()
        if owner is None:
            raise CommandError(f"there is no user {user}")
        if not owner.is_active:
            raise CommandError(f"{user} is not active, and could not use a token")
        self.stdout.write(ApiToken.make(owner, days))
