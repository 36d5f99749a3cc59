"""What a change of a password entails."""

from django.contrib.auth.models import AbstractBaseUser

from scaggr.models import ApiToken


class RevokeTokens:
    """In AUTH_PASSWORD_VALIDATORS: Django tells these of each new password, wherever it is set. This one refuses none.

    Whoever changes a password because it is known to others wants what was made with it to end.
    """

    def validate(self, password: str, user: AbstractBaseUser | None = None) -> None:
        """Accept it."""

    def get_help_text(self) -> str:
        """Say what comes of it, below the form."""
        return "Tokens for the API are revoked with the old password."

    def password_changed(self, password: str, user: AbstractBaseUser | None = None) -> None:
        """Revoke the user's tokens."""
        if user is not None and user.pk is not None:
            ApiToken.objects.filter(user_id=user.pk).delete()
