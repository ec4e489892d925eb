"""Granting and withdrawing the rights of staff on a sign-in provider's word."""

from datetime import datetime

from accounts.models import AuditEntry, User
from accounts.services.staff_rights import apply_provider_claim
from tests.accounts.conftest import SYSTEM


def test_a_change_of_staff_rights_is_made_and_audited_once(alice: User, bob: User, now: datetime) -> None:
    for is_staff, is_new in ((True, True), (True, False), (False, True), (False, False)):
        changed = apply_provider_claim(user=alice, is_staff=is_staff, provider="staff", actor=SYSTEM, as_of=now)
        assert (changed, alice.is_staff, User.objects.get(pk=alice.pk).is_staff) == (is_new, is_staff, is_staff)
    actions = list(AuditEntry.objects.filter(target_id=alice.pk).order_by("id").values_list("action", flat=True))
    assert actions == ["account.staff_rights_given", "account.staff_rights_taken"]
    assert not User.objects.get(pk=bob.pk).is_staff
