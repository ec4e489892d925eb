"""Mails are kept for their term, and an erased person is removed from them."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import LazySettings

from accounts.models import Tenant
from accounts.notices.models import OutboundMail
from accounts.notices.services.privacy import ERASED_TEXT, NoticesPrivacy
from accounts.services.privacy_parts import ErasedPerson


def make_mail(tenant: Tenant, name: str, as_of: datetime, **fields: Any) -> OutboundMail:
    given: dict[str, Any] = {
        "recipients": ["Alice@example.com"],
        "subject": "Hello",
        "text": "Dear alice@example.com,",
        "html": "",
        "status": "sent",
        "sent_at": as_of,
    }
    return OutboundMail.objects.create(
        tenant=tenant, kind="test", dedupe_key=name, created_at=as_of, next_attempt_at=as_of, **(given | fields)
    )


def test_finished_mails_are_deleted_after_their_term(acme: Tenant, now: datetime, settings: LazySettings) -> None:
    settings.MAIL_RETENTION_DAYS = 30
    for name, days, status in (
        ("old", 30, "sent"),
        ("lost", 31, "unknown"),
        ("waits", 31, "queued"),
        ("new", 29, "sent"),
    ):
        make_mail(acme, name, now - timedelta(days=days), status=status)
    assert NoticesPrivacy().clean_up(as_of=now) == {"mails": 2, "notices": 0}
    assert set(OutboundMail.objects.values_list("dedupe_key", flat=True)) == {"waits", "new"}


def test_erasing_a_person_removes_them_from_mails_and_keeps_the_others(acme: Tenant, now: datetime) -> None:
    alone = make_mail(acme, "alone", now)
    waiting = make_mail(acme, "waiting", now, status="queued", sent_at=None)
    shared = make_mail(acme, "shared", now, recipients=["alice@example.com", "bob@example.com"])
    other = make_mail(acme, "other", now, recipients=["malice@example.com"])
    person = ErasedPerson(7, frozenset({"alice@example.com"}), "person-7")

    NoticesPrivacy().forget(person=person)

    for mail in (alone, waiting, shared, other):
        mail.refresh_from_db()
    assert (alone.recipients, alone.text) == (["person-7@erased.invalid"], ERASED_TEXT)
    assert waiting.status == "failed"
    assert (shared.recipients, shared.text) == (["bob@example.com"], "Dear person-7,")
    assert (other.recipients, other.text) == (["malice@example.com"], "Dear alice@example.com,")
