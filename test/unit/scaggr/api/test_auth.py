"""Who may use the API."""

import importlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest


@pytest.fixture
def user(database: Any) -> Any:
    """A user who has tokens."""
    return importlib.import_module("django.contrib.auth").get_user_model().objects.create_user("someone")


@pytest.fixture
def allowed(user: Any, scaggr_module: Callable[[str], Any]) -> Callable[[str], Any]:
    """Shows a token, and returns its row where it counts."""
    bearer = scaggr_module("api.auth").BearerToken()
    return lambda token: bearer.authenticate(None, token)


def test_a_token(database: Any, user: Any, allowed: Callable[[str], Any]) -> None:
    """It is its user's, and what is kept of it is no token."""
    token = database.ApiToken.make(user)
    assert allowed(token).user == user
    assert allowed(database.ApiToken.digest_of(token)) is None
    assert allowed("") is None


def test_a_token_ends(database: Any, user: Any, allowed: Callable[[str], Any]) -> None:
    """With its date, and for as long as its user may not log in; one without a date stays."""
    token = database.ApiToken.make(user, days=-1)
    assert allowed(token) is None
    database.ApiToken.objects.update(expires_at=None)
    assert allowed(token)
    type(user).objects.update(is_active=False)
    assert allowed(token) is None


@pytest.mark.parametrize(("seconds", "noted"), [(None, True), (30, False), (90, True), (-7200, True)])
def test_its_use_is_noted(
    database: Any, user: Any, allowed: Callable[[str], Any], seconds: int | None, noted: bool
) -> None:
    """Once a minute, whatever the clock was before."""
    timezone = importlib.import_module("django.utils.timezone")
    token, now = database.ApiToken.make(user), timezone.now()
    before = seconds and now - timedelta(seconds=seconds)
    database.ApiToken.objects.update(last_used_at=before)
    assert allowed(token)
    after = database.ApiToken.objects.get().last_used_at
    assert (after != before) is noted
    assert after == before or now <= after <= timezone.now()
