"""manage.py token: a token for the API."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from scaggr.models import ApiToken


class Command(BaseCommand):
    """Make a token. It is shown this once: only its digest is kept."""

    help = "Make a token for the API and print it. It cannot be shown again; the Admin UI takes it away."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the user's name."""
        parser.add_argument("user")

    def handle(self, *args: Any, user: str, **options: Any) -> None:
        """Print the token."""
        owner = get_user_model().objects.filter(username=user).first()
        if owner is None:
            raise CommandError(f"there is no user {user}")
        if not owner.is_active:
            raise CommandError(f"{user} is not active, and could not use a token")
        self.stdout.write(ApiToken.make(owner))
