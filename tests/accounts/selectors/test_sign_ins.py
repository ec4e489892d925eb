"""Which person signs in by an address, and what the log records of it."""

from datetime import datetime, timedelta

from allauth.account.models import EmailAddress

from accounts.models import AuditEntry, User
from accounts.selectors.sign_ins import person_at, recent_sign_ins, sign_ins_of_all


def add_entry(user: User, action: str, at: datetime) -> AuditEntry:
    return AuditEntry.objects.create(
        actor_kind="visitor",
        actor_label="visitor",
        action=action,
        target_kind="user",
        target_id=user.pk,
        occurred_at=at,
    )


def test_a_person_is_found_by_every_address_in_any_case(alice: User) -> None:
    EmailAddress.objects.create(user=alice, email="second@example.com", verified=True)
    assert person_at("ALICE@example.com") == person_at("Second@example.com") == alice
    assert person_at("unknown@example.com") is None
    assert person_at("") is None


def test_the_newest_entries_of_the_person_alone_are_listed(alice: User, bob: User, now: datetime) -> None:
    older, newer = (add_entry(alice, "account.signed_in", now - timedelta(hours=hours)) for hours in (2, 1))
    add_entry(alice, "user.changed", now)
    other = add_entry(bob, "account.signed_in", now)
    assert recent_sign_ins(user_id=alice.pk, limit=10) == [newer, older]
    assert recent_sign_ins(user_id=alice.pk, limit=1) == [newer]
    assert set(sign_ins_of_all(AuditEntry.objects.all())) == {older, newer, other}
