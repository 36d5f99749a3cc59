"""Who may use the API."""

from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from ninja.security import HttpBearer

from scaggr.models import ApiToken
from shared import clock


class BearerToken(HttpBearer):
    """A token of an active user, before it expires."""

    def authenticate(self, request: HttpRequest, token: str) -> ApiToken | None:
        """Find the token, and note that it is in use: once a minute is enough."""
        now = timezone.now()
        row = ApiToken.objects.filter(
            Q(expires_at=None) | Q(expires_at__gt=now), digest=ApiToken.digest_of(token), user__is_active=True
        ).first()
        if row is None:
            return None
        if not clock.is_recent(row.last_used_at, timedelta(minutes=1)):
            # After what it is used for: until then others with the same token would wait for this row.
            noted = ApiToken.objects.filter(digest=row.digest, last_used_at=row.last_used_at)
            transaction.on_commit(lambda: noted.update(last_used_at=now))
        return row
