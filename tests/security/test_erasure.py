"""An erased person is named only in places in which the law requires it, and what they did stays (P20)."""

from datetime import timedelta

import pytest
import time_machine
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_q.models import Task

from accounts.domain.actor import Actor
from accounts.domain.roles import Role
from accounts.domain.transitions import TenantStatus
from accounts.errors import LastOwnerError, PermissionMissingError
from accounts.models import AuditEntry, Invitation, Membership, Tenant, User
from accounts.notices.models import OutboundMail
from accounts.services.audit import AuditTarget, record_audit
from accounts.services.erasure import erase_person
from accounts.services.members import invite_member
from metering.models import Event, EventVoid
from metering.services.event_voids import void_event
from tests.isolation.world import BACKEND, Estate, make_estate, make_user
from tests.metering.ledger_world import ledger_of

NAME = "Olympia Unusual"
# Where a person's address stays, and why.
KEPT = {"billing_creditnote": "who issued a credit note is part of the books"}


@pytest.fixture
def acme(db: None) -> Estate:
    """Create Acme, whose owner has left traces in everything that she can change, and a second owner."""
    estate = make_estate("acme")
    owner, now = estate.owner, timezone.now()
    User.objects.filter(pk=owner.pk).update(name=NAME)
    owner.refresh_from_db()
    Membership.objects.create(
        tenant=estate.tenant, user=make_user("olga@acme.example"), role=Role.OWNER, created_at=now
    )
    actor = member(owner)
    invite_member(tenant=estate.tenant, email="new@acme.example", role=Role.VIEWER, actor=actor, as_of=now)
    Invitation.objects.filter(tenant=estate.tenant, email="new@acme.example").update(email=owner.email.upper())
    void_event(
        ledger=ledger_of(estate.tenant), event_id=estate.event_id, source="", reason="a mistake",
        voided_by=owner.email, as_of=now,
    )  # fmt: skip
    OutboundMail.objects.create(
        tenant=estate.tenant, kind="x", dedupe_key="x", recipients=[owner.email], subject=f"For {owner.email}",
        text=f"Dear {NAME}", html="", created_at=now, next_attempt_at=now,
    )  # fmt: skip
    for target in (AuditTarget("user", owner.pk, owner.email), AuditTarget("tenant", estate.tenant.pk, "acme")):
        record_audit(
            actor=Actor.staff(user_id=owner.pk, label=f"staff@example.com as {owner.email}", ip="192.0.2.9"),
            action="user.changed", tenant_id=estate.tenant.pk, target=target,
            before={"name": NAME if target.kind == "user" else "Acme", "people": [owner.email, "x"]},
            after={"nested": {"email": owner.email.upper()}}, as_of=now,
        )  # fmt: skip
    estate.client()
    return estate


def member(user: User) -> Actor:
    return Actor.member(user_id=user.pk, label=user.email, role=Role.OWNER, ip="192.0.2.7")


def tables_that_say(text: str) -> set[str]:
    """Find the tables that contain a text, in every column as PostgreSQL writes it."""
    found = set()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY 1"
        )
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT 1 FROM "{table}" AS t WHERE strpos(lower(t::text), lower(%s)) > 0 LIMIT 1', [text])
            if cursor.fetchone():
                found.add(table)
    return found


def test_an_erased_person_is_named_nowhere_and_history_stays(acme: Estate) -> None:
    owner = acme.owner
    assert {"accounts_auditentry", "event_void", "notices_outboundmail", "accounts_invitation"} <= tables_that_say(
        owner.email
    )
    what = ("action", "target_kind", "target_id", "actor_kind", "actor_user_id", "occurred_at", "request_id")
    before = list(AuditEntry.objects.order_by("pk").values(*what))
    events = Event.objects.count()

    erase_person(user=owner, reason=f"wrote from {owner.email}", actor=member(owner), as_of=timezone.now())

    assert tables_that_say(owner.email) <= KEPT.keys()
    assert tables_that_say(NAME) == set()
    owner.refresh_from_db()
    pseudonym = f"person-{owner.pk}"
    assert (owner.email, owner.name, owner.is_active) == (f"{pseudonym}@erased.invalid", "", False)
    assert not owner.has_usable_password()
    assert list(AuditEntry.objects.order_by("pk").values(*what))[: len(before)] == before
    assert not AuditEntry.objects.filter(actor_user=owner).exclude(ip=None).exists()
    nested = AuditEntry.objects.get(action="user.changed", target_kind="tenant")
    assert nested.actor_label == f"staff@example.com as {pseudonym}"
    assert (nested.before, nested.after) == (
        {"name": "Acme", "people": [pseudonym, "x"]},
        {"nested": {"email": pseudonym}},
    )
    assert EventVoid.objects.get().voided_by == pseudonym
    assert Event.objects.count() == events
    assert not Membership.objects.filter(user=owner).exists()
    assert AuditEntry.objects.get(action="person.erased").after == {"reason": f"wrote from {pseudonym}"}
    make_user("owner@acme.example")  # the address is free again


def test_finished_tasks_that_name_the_person_are_deleted_and_others_stay(acme: Estate) -> None:
    # Their arguments and results are packed, so a search of the tables does not see them.
    address, now = acme.owner.email, timezone.now()
    for name, facts in {
        "args": {"args": (f"staff as {address.upper()}",)},
        "kwargs": {"kwargs": {"started_by": address}},
        "result": {"result": {"to": [address]}},
        "other": {"args": ("olga@acme.example",)},
    }.items():
        Task.objects.create(id=name, name=name, func="x.y", started=now, stopped=now, success=True, **facts)
    erase_person(user=acme.owner, reason="asked", actor=member(acme.owner), as_of=now)
    assert list(Task.objects.values_list("name", flat=True)) == ["other"]


def test_the_last_owner_must_name_another_owner_or_close_first(db: None) -> None:
    acme = make_estate("acme")
    now = timezone.now()
    with pytest.raises(
        LastOwnerError, match=r"You are the only owner of Acme\. Make another member its owner, or close it"
    ):
        erase_person(user=acme.owner, reason="", actor=member(acme.owner), as_of=now)
    assert tables_that_say(acme.owner.email)
    Tenant.objects.filter(pk=acme.tenant.pk).update(status=TenantStatus.CLOSED)
    erase_person(user=acme.owner, reason="", actor=member(acme.owner), as_of=now)
    erase_person(user=acme.owner, reason="again", actor=member(acme.owner), as_of=now)
    assert AuditEntry.objects.filter(action="person.erased").count() == 1


def test_a_member_erases_neither_other_people_nor_staff(acme: Estate) -> None:
    viewer = acme.viewer.user
    for user, actor in ((viewer, member(acme.owner)), (acme.owner, member(viewer))):
        with pytest.raises(PermissionMissingError):
            erase_person(user=user, reason="", actor=actor, as_of=timezone.now())
    User.objects.filter(pk=viewer.pk).update(is_staff=True)
    viewer.refresh_from_db()
    with pytest.raises(PermissionMissingError, match="by a colleague"):
        erase_person(user=viewer, reason="", actor=member(viewer), as_of=timezone.now())


def test_the_applications_role_rewrites_no_history_but_by_an_erasure(acme: Estate) -> None:
    for statement in (
        "UPDATE accounts_auditentry SET actor_label = 'x'",
        "UPDATE event_void SET voided_by = 'x'",
        f"SELECT audit_forget_person({acme.owner.pk})",
        f"SELECT ledger_forget_person({acme.owner.pk})",
    ):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)


def test_a_person_deletes_their_own_account(acme: Estate) -> None:
    path = reverse("portal:account_delete")
    viewer = acme.viewer.user
    assert Client().get(path).status_code == 302
    client = signed_in(viewer)
    assert "under a pseudonym" in client.get(path).text
    assert client.post(path, {"email": "other@acme.example"}).status_code == 422

    answer = client.post(path, {"email": viewer.email.upper()})

    assert "Your account is deleted" in answer.text
    assert client.get("/t/acme/").status_code == 302
    assert tables_that_say(viewer.email) == set()


def signed_in(user: User) -> Client:
    """Return a browser in which the person has just signed in."""
    client = Client()
    client.force_login(user, backend=BACKEND)
    return client


def test_deleting_the_account_needs_a_recent_sign_in(acme: Estate) -> None:
    viewer = acme.viewer.user
    User.objects.filter(pk=viewer.pk).update(password="pbkdf2_sha256$1$salt$hash")
    viewer.refresh_from_db()
    path = reverse("portal:account_delete")
    client = signed_in(viewer)
    client.get("/t/acme/")
    with time_machine.travel(timezone.now() + timedelta(seconds=settings.ACCOUNT_REAUTHENTICATION_TIMEOUT), tick=False):
        answer = client.post(path, {"email": viewer.email})
    assert answer["Location"].startswith("/accounts/reauthenticate/")
    assert User.objects.get(pk=viewer.pk).erased_at is None
