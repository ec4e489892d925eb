"""Which second factors a person has."""

from allauth.mfa.models import Authenticator

from accounts.models import User
from accounts.selectors.second_factors import second_factors_of


def test_recovery_codes_are_no_factor_and_others_factors_are_not_mine(alice: User, bob: User) -> None:
    for user, kind in ((alice, "recovery_codes"), (alice, "webauthn"), (alice, "totp"), (bob, "totp")):
        Authenticator.objects.create(user=user, type=kind, data={})
    assert sorted(second_factors_of(alice.pk)) == ["totp", "webauthn"]
