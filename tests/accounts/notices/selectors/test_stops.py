"""Why a person gets a mail, and the address that stops it."""

from datetime import datetime

import pytest

from accounts.errors import NotFoundError
from accounts.models import Membership, Tenant, User
from accounts.notices.models import OutboundMail
from accounts.notices.selectors.stops import MailStop, foot_of, read_stop_token, stop_token


def mail_to(tenant: Tenant, address: str, kind: str, now: datetime) -> OutboundMail:
    return OutboundMail(
        tenant=tenant, kind=kind, dedupe_key="k", recipients=[address], subject="S", created_at=now, next_attempt_at=now
    )


def test_the_foot_names_role_tenant_and_kind_and_its_address_stops_that_kind(
    acme: Tenant, bob: User, now: datetime
) -> None:
    foot = foot_of(mail_to(acme, "BOB@example.com", "usage_alert", now))
    assert foot.reason == ("You get this because you are a developer of Acme and get mails of the kind “Usage alerts”.")
    member = Membership.objects.get(tenant=acme, user=bob)
    token = foot.stop_url.rstrip("/").rsplit("/", 1)[-1]
    assert read_stop_token(token) == MailStop(acme.pk, member.pk, "usage_alert")


@pytest.mark.parametrize("kind", ["invoice", "credit_note", "dunning", "closed", "export", "unknown"])
def test_mails_that_must_come_have_no_such_address(acme: Tenant, now: datetime, kind: str) -> None:
    foot = foot_of(mail_to(acme, "alice@example.com", kind, now))
    assert foot.stop_url == ""
    assert foot.reason == "You get this because you are an owner of Acme. Such mails always come."
    with pytest.raises(NotFoundError):
        read_stop_token(stop_token(MailStop(acme.pk, 1, kind)))


def test_an_address_for_bills_is_no_member(acme: Tenant, now: datetime) -> None:
    foot = foot_of(mail_to(acme, "bills@acme.example", "trial_end", now))
    assert foot.stop_url == ""
    assert foot.reason == "You get this because bills and notices of Acme are sent to bills@acme.example."


@pytest.mark.parametrize("change", [lambda text: text[:-1], lambda text: "A" + text, lambda _: "", lambda _: "a:b"])
def test_a_changed_token_stops_nothing(acme: Tenant, change: object) -> None:
    assert callable(change)
    with pytest.raises(NotFoundError):
        read_stop_token(change(stop_token(MailStop(acme.pk, 1, "usage_alert"))))
