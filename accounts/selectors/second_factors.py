"""The second factors of a person. Recovery codes do not count: they replace a lost factor."""

from typing import Final

from allauth.mfa.models import Authenticator

FACTORS: Final = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


def second_factors_of(user_id: int) -> list[str]:
    """Return the kinds of the person's authenticator apps and passkeys, one entry each."""
    return list(Authenticator.objects.filter(user_id=user_id, type__in=FACTORS).values_list("type", flat=True))
