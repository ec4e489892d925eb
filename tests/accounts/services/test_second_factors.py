"""Letting a person sign in again who has lost every factor."""

from datetime import datetime

from allauth.mfa.models import Authenticator
from django.contrib.sessions.models import Session
from django.test import Client

from accounts.api.sessions import SessionStore
from accounts.models import AuditEntry, User
from accounts.services.second_factors import remove_second_factors
from tests.accounts.conftest import SYSTEM


def test_a_reset_removes_only_that_persons_factors_and_sessions(
    alice: User, bob: User, client: Client, now: datetime
) -> None:
    for user in (alice, bob):
        Authenticator.objects.create(user=user, type="totp", data={})
        Authenticator.objects.create(user=user, type="recovery_codes", data={})
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        client.get("/accounts/sessions/")
    assert remove_second_factors(user=alice, actor=SYSTEM, as_of=now) == 2
    assert set(Authenticator.objects.values_list("user", flat=True)) == {bob.pk}
    left = [SessionStore().decode(session.session_data) for session in Session.objects.all()]
    assert [remembered["_auth_user_id"] for remembered in left] == [str(bob.pk)]
    entry = AuditEntry.objects.get(action="account.second_factors_removed")
    assert (entry.target_id, entry.before, entry.occurred_at) == (str(alice.pk), {"factors": 2}, now)
