"""Who may erase a person. `tests/security/test_erasure.py` checks what is left of them."""

from datetime import datetime

import pytest
from django.test import Client
from django.urls import reverse

from accounts.domain.actor import Actor
from accounts.models import AuditEntry, Membership, Tenant, User
from accounts.services.erasure import erase_person
from tests.accounts.conftest import make_user, member

BACKEND = "django.contrib.auth.backends.ModelBackend"


def test_staff_erase_with_a_reason_and_are_named(acme: Tenant, bob: User, now: datetime) -> None:
    robin = make_user("robin@example.org", is_staff=True)
    staff = Actor.staff(user_id=robin.pk, label=robin.email, ip="192.0.2.1")
    erase_person(user=bob, reason="by letter", actor=staff, as_of=now)
    assert not Membership.objects.filter(user=bob).exists()
    entries = AuditEntry.objects.filter(action__in=["person.erased", "member.removed"]).order_by("pk")
    assert [(entry.actor_label, entry.target_label, entry.ip) for entry in entries] == [
        ("robin@example.org", f"person-{bob.pk}", "192.0.2.1")
    ] * 2


def test_a_person_without_a_tenant_can_be_erased(charlie: User, now: datetime) -> None:
    erase_person(user=charlie, reason="", actor=member(charlie), as_of=now)
    charlie.refresh_from_db()
    assert charlie.erased_at == now


@pytest.mark.parametrize("is_superuser", [True, False])
def test_the_admin_asks_for_a_reason_and_a_colleague_is_a_superusers_business(
    bob: User, db: None, is_superuser: bool
) -> None:
    robin = make_user("robin@example.org", is_staff=True, is_superuser=is_superuser)
    client = Client()
    client.force_login(robin, backend=BACKEND)
    path = reverse("admin:accounts_user_erase", args=[bob.pk])
    if not is_superuser:
        assert client.post(path, {"reason": "by letter"}).status_code in {302, 403}
        assert not AuditEntry.objects.filter(action="person.erased").exists()
        return
    assert "cannot be undone" in client.get(path).text
    assert client.post(path, {"reason": ""}).status_code == 200
    assert not AuditEntry.objects.filter(action="person.erased").exists()
    client.post(path, {"reason": "by letter"})
    assert AuditEntry.objects.get(action="person.erased").after == {"reason": "by letter"}
