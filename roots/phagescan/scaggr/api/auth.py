"""Who may use the API."""

from datetime import timedelta

from django.db import transaction
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
        # Asked for every upload: without the order that there is for pages.
        found = ApiToken.objects.filter(digest=ApiToken.digest_of(token), user__is_active=True).order_by()
        row = next(iter(found), None)
        if row is None or (row.expires_at and row.expires_at <= now):
            return None
        if not clock.is_recent(row.last_used_at, timedelta(minutes=1)):
            # After what it is used for: until then others with the same token would wait for this row.
            noted = ApiToken.objects.filter(digest=row.digest, last_used_at=row.last_used_at)
            transaction.on_commit(lambda: noted.update(last_used_at=now))
        return row
