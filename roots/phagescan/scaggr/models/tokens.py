"""Tokens for the API."""

import hashlib
import secrets
from datetime import timedelta
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone


class ApiToken(models.Model):
    """A token for the API. Only its digest is kept: the token itself is shown once, when it is made. A change of its
    user's password revokes it (scaggr.web.passwords).
    """

    DAYS = 365

    digest = models.CharField("SHA-256 of the token", max_length=64, primary_key=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, help_text="From then on it is refused; without a date it never is.")
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        """Newest first."""

        verbose_name = "API token"
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        """Show whose it is."""
        return f"{self.user} {self.digest[:8]}"

    @classmethod
    def make(cls, user: models.Model, days: int = DAYS) -> str:
        """Make a token for a user, good for so many days, and return it."""
        token = secrets.token_urlsafe(32)
        expires_at = timezone.now() + timedelta(days=days)
        cls.objects.create(digest=cls.digest_of(token), user=user, expires_at=expires_at)
        return token

    @staticmethod
    def digest_of(token: str) -> str:
        """Return what is kept of a token. It is random enough for a plain hash."""
        return hashlib.sha256(token.encode()).hexdigest()
