"""Keys that were found in public: quarantined once a place, told to the tenant, released by people."""

from datetime import datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from accounts.domain.actor import Actor
from accounts.domain.api_key import KeyKind, generate_key
from accounts.domain.identifiers import uuid7
from accounts.domain.masking import find_secrets
from accounts.domain.roles import Role
from accounts.errors import ConflictError, PermissionMissingError
from accounts.keys.domain.leaks import KEY_LEAK, ReportedToken
from accounts.keys.services.api_keys import CreatedKey, revoke_api_key, rotate_api_key
from accounts.keys.services.leaks import release_api_key, report_leaked_keys
from accounts.models import ApiKey, AuditEntry, KeyLeak, Tenant, User
from accounts.notices.models import Notice, OutboundMail, OutboxEvent
from accounts.selectors.api_keys import find_principal
from tests.accounts.conftest import SYSTEM, KeyMaker, make_user, member
from tests.races import DONE, at_once


@pytest.fixture
def staff(db: None) -> Actor:
    return Actor.staff(user_id=make_user("staff@example.com", is_staff=True).pk, label="staff@example.com")


def place(token: str, url: str = "https://github.com/acme/site/.env") -> ReportedToken:
    return ReportedToken(token, "countinghouse_api_key", url, "content")


def labels(*tokens: ReportedToken, as_of: datetime) -> list[str]:
    said = report_leaked_keys(tokens=tokens, scanner="scanner-1", actor=SYSTEM, as_of=as_of)
    return [label["label"] for label in said]


def is_quarantined(key: CreatedKey) -> bool:
    return ApiKey.objects.get(pk=key.key.pk).quarantined_at is not None


def test_a_real_key_is_quarantined_and_the_tenant_is_told(acme_key: CreatedKey, now: datetime) -> None:
    noise, unknown = "ch_live_" + "0" * 38, generate_key(KeyKind.LIVE)
    told = OutboxEvent.objects.count()
    assert labels(place(noise), place(acme_key.secret), place(unknown), as_of=now) == [
        "false_positive",
        "true_positive",
        "false_positive",
    ]
    principal = find_principal(acme_key.secret, now)
    assert principal is not None
    assert principal.is_quarantined
    entry = AuditEntry.objects.get(action="api_key.quarantined")
    assert entry.tenant_id == acme_key.key.tenant_id
    assert entry.after["found_at"] == ["https://github.com/acme/site/.env"]
    mail, other = OutboundMail.objects.filter(kind=KEY_LEAK.name).order_by("pk")
    assert mail.recipients + other.recipients == ["alice@example.com", "bob@example.com"]  # not Vera, who may only look
    assert "https://github.com/acme/site/.env" in mail.text
    assert OutboxEvent.objects.count() == told  # only a revocation is final
    written = " ".join(map(str, [mail.text, mail.html, entry.after, *KeyLeak.objects.values_list()]))
    assert not list(find_secrets(written))


def test_the_same_report_again_changes_nothing_also_after_a_release(
    acme_key: CreatedKey, now: datetime, staff: Actor
) -> None:
    for minutes in (0, 1):
        assert labels(*[place(acme_key.secret)] * 2, as_of=now + timedelta(minutes=minutes)) == ["true_positive"] * 2
    release_api_key(key=acme_key.key, actor=staff, as_of=now)
    assert labels(place(acme_key.secret), as_of=now) == ["true_positive"]
    assert not is_quarantined(acme_key)
    assert KeyLeak.objects.count() == Notice.objects.filter(kind=KEY_LEAK.name).count() == 1

    labels(place(acme_key.secret, "https://pastebin.com/raw/x"), as_of=now + timedelta(minutes=2))
    assert is_quarantined(acme_key)
    assert KeyLeak.objects.count() == Notice.objects.filter(kind=KEY_LEAK.name).count() == 2


def test_a_key_that_ended_is_known_and_nothing_more_happens(acme_key: CreatedKey, now: datetime) -> None:
    revoke_api_key(key=acme_key.key, actor=SYSTEM, as_of=now)
    assert labels(place(acme_key.secret), as_of=now) == ["true_positive"]
    assert not is_quarantined(acme_key)
    assert KeyLeak.objects.count() == 1
    assert not OutboundMail.objects.filter(kind=KEY_LEAK.name).exists()


def test_a_quarantined_key_can_be_rotated_and_revoked(acme_key: CreatedKey, now: datetime) -> None:
    labels(place(acme_key.secret), as_of=now)
    successor = rotate_api_key(key=acme_key.key, grace=timedelta(hours=1), actor=SYSTEM, as_of=now)
    assert (is_quarantined(acme_key), is_quarantined(successor)) == (True, False)
    revoke_api_key(key=acme_key.key, actor=SYSTEM, as_of=now)
    assert find_principal(acme_key.secret, now) is None
    assert OutboxEvent.objects.filter(type="api_key.revoked").count() == 1


def test_an_operators_key_is_quarantined_and_only_staff_release_it(
    make_key: KeyMaker, now: datetime, alice: User, staff: Actor
) -> None:
    service = make_key(None)
    labels(place(service.secret), as_of=now)
    assert is_quarantined(service)
    assert KeyLeak.objects.get().tenant is None
    for actor in (member(alice), Actor.viewing(user_id=1, label="staff", role=Role.OWNER)):
        with pytest.raises(PermissionMissingError):
            release_api_key(key=service.key, actor=actor, as_of=now)
    release_api_key(key=service.key, actor=staff, as_of=now)
    assert not is_quarantined(service)


def test_owners_and_admins_release_and_developers_do_not(
    acme: Tenant, acme_key: CreatedKey, now: datetime, alice: User, bob: User
) -> None:
    with pytest.raises(ConflictError):
        release_api_key(key=acme_key.key, actor=member(alice), as_of=now)
    labels(place(acme_key.secret), as_of=now)
    with pytest.raises(PermissionMissingError):
        release_api_key(key=acme_key.key, actor=member(bob), as_of=now)
    release_api_key(key=acme_key.key, actor=member(alice), as_of=now)
    assert AuditEntry.objects.get(action="api_key.released").actor_user_id == alice.pk
    assert not is_quarantined(acme_key)


def test_a_place_is_stored_once_and_a_report_of_voids_has_a_time(acme_key: CreatedKey, now: datetime) -> None:
    labels(place(acme_key.secret), as_of=now)
    leak = KeyLeak.objects.get()
    with pytest.raises(IntegrityError, match="key_leak_once_a_place"), transaction.atomic():
        KeyLeak.objects.create(id=uuid7(now), api_key=leak.api_key, place_digest=leak.place_digest, reported_at=now)
    with pytest.raises(IntegrityError, match="key_leak_report_has_time"), transaction.atomic():
        KeyLeak.objects.update(usage_voided_at=now)


@pytest.mark.django_db(transaction=True)
def test_two_reports_at_once_quarantine_once_and_mail_once(acme_key: CreatedKey, now: datetime) -> None:
    def send() -> None:
        labels(place(acme_key.secret), as_of=now)

    assert at_once(*[send] * 4) == [DONE] * 4
    assert KeyLeak.objects.count() == Notice.objects.filter(kind=KEY_LEAK.name).count() == 1
    assert AuditEntry.objects.filter(action="api_key.quarantined").count() == 1
