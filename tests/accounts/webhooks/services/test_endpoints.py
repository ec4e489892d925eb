"""Endpoints as customers create, change and delete them."""

from datetime import datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from accounts.at_rest import ENDPOINT_SECRET, unseal_text
from accounts.domain.roles import Role
from accounts.errors import ConflictError, InvalidFieldsError, NotFoundError, PermissionMissingError
from accounts.models import AuditEntry, Tenant, User
from accounts.notices.models import OutboxEvent
from accounts.webhooks.domain import terms
from accounts.webhooks.errors import TooManyEndpointsError
from accounts.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookSecret
from accounts.webhooks.services import endpoints as module
from accounts.webhooks.services.endpoints import change_endpoint, delete_endpoint, rotate_secret
from tests.accounts.conftest import member
from tests.accounts.webhooks.world import DOWN, SECOND, SYSTEM, claim, make_endpoint, send, tell

pytestmark = pytest.mark.django_db


def test_a_secret_is_shown_once_and_sealed_at_rest(acme: Tenant, now: datetime) -> None:
    created = make_endpoint(acme, now)
    stored = WebhookSecret.objects.get()
    assert created.secret.startswith("whsec_")
    assert created.secret not in repr(created)
    assert created.secret.removeprefix("whsec_") not in stored.sealed
    assert unseal_text(stored.sealed, purpose=ENDPOINT_SECRET) == created.secret
    entry = AuditEntry.objects.get(action="webhook_endpoint.created")
    assert entry.after["origin"] == "https://hooks.example.com"
    assert "/in" not in str(entry.after)


def test_an_unreachable_address_creates_nothing(acme: Tenant, now: datetime) -> None:
    with pytest.raises(InvalidFieldsError):
        make_endpoint(acme, now, url="http://169.254.169.254/")
    assert not WebhookEndpoint.objects.exists()


def test_a_tenant_has_a_limited_number_of_endpoints(
    acme: Tenant, globex: Tenant, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert terms.ENDPOINTS_MAX == 50
    monkeypatch.setattr(module, "ENDPOINTS_MAX", 1)
    make_endpoint(acme, now)
    make_endpoint(globex, now)
    with pytest.raises(TooManyEndpointsError):
        make_endpoint(acme, now)


def test_a_viewer_may_not_and_a_developer_may(acme: Tenant, vera: User, bob: User, now: datetime) -> None:
    endpoint = make_endpoint(acme, now).endpoint
    for change in (change_endpoint, delete_endpoint, rotate_secret):
        with pytest.raises(PermissionMissingError):
            change(endpoint=endpoint, actor=member(vera, Role.VIEWER), as_of=now)
    rotate_secret(endpoint=endpoint, actor=member(bob, Role.DEVELOPER), as_of=now)


def test_a_change_keeps_what_it_does_not_name_and_is_in_the_audit_log(acme: Tenant, now: datetime) -> None:
    endpoint = make_endpoint(acme, now, "invoice.paid", description="Books").endpoint
    change_endpoint(endpoint=endpoint, actor=SYSTEM, as_of=now, description="Ledger")
    changed = change_endpoint(endpoint=endpoint, actor=SYSTEM, as_of=now, event_types=[])
    assert (changed.url, changed.event_types, changed.description) == ("https://hooks.example.com/in", [], "Ledger")
    first, second = AuditEntry.objects.filter(action="webhook_endpoint.changed").order_by("pk")
    assert (first.before, first.after) == ({"description": "Books"}, {"description": "Ledger"})
    assert second.after == {"event_types": []}
    change_endpoint(endpoint=endpoint, actor=SYSTEM, as_of=now, description="Ledger")
    assert AuditEntry.objects.filter(action="webhook_endpoint.changed").count() == 2
    with pytest.raises(InvalidFieldsError):
        change_endpoint(endpoint=endpoint, actor=SYSTEM, as_of=now, url="http://localhost/")


def test_a_paused_endpoint_is_sent_what_it_missed_when_it_is_resumed(acme: Tenant, now: datetime) -> None:
    endpoint = make_endpoint(acme, now).endpoint
    tell(acme, now)
    change_endpoint(endpoint=endpoint, actor=SYSTEM, as_of=now, status="paused")
    assert claim(now + SECOND) == []
    change_endpoint(endpoint=endpoint, actor=SYSTEM, as_of=now + SECOND, status="active")
    assert len(send(now + SECOND)) == 1


def test_a_disabled_endpoint_begins_anew_when_it_is_enabled(acme: Tenant, now: datetime) -> None:
    endpoint = make_endpoint(acme, now).endpoint
    tell(acme, now)
    send(now, DOWN)
    WebhookEndpoint.objects.update(status="disabled", disabled_because="failing", disabled_at=now, due_at=None)
    with pytest.raises(ConflictError):
        change_endpoint(endpoint=endpoint, actor=SYSTEM, as_of=now, status="paused")
    enabled = change_endpoint(endpoint=endpoint, actor=SYSTEM, as_of=now, status="active")
    assert (enabled.status, enabled.failures, enabled.failing_since, enabled.is_suspect) == ("active", 0, None, False)
    assert enabled.due_at == now + 5 * SECOND


def test_an_endpoint_is_deleted_with_its_deliveries_and_the_events_stay(acme: Tenant, now: datetime) -> None:
    endpoint, other = make_endpoint(acme, now).endpoint, make_endpoint(acme, now).endpoint
    tell(acme, now)
    send(now, DOWN)
    delete_endpoint(endpoint=endpoint, actor=SYSTEM, as_of=now)
    assert list(WebhookDelivery.objects.values_list("endpoint", flat=True)) == [other.pk]
    assert list(WebhookSecret.objects.values_list("endpoint", flat=True)) == [other.pk]
    assert OutboxEvent.objects.exists()
    with pytest.raises(NotFoundError):
        delete_endpoint(endpoint=endpoint, actor=SYSTEM, as_of=now)


def test_after_a_rotation_two_secrets_are_valid_and_after_another_still_two(acme: Tenant, now: datetime) -> None:
    endpoint = make_endpoint(acme, now).endpoint
    first = rotate_secret(endpoint=endpoint, actor=SYSTEM, as_of=now)
    assert first.expires_previous_at == now + timedelta(days=1)
    second = rotate_secret(endpoint=endpoint, actor=SYSTEM, as_of=now, grace=timedelta(hours=1))
    found = [
        (unseal_text(one.sealed, purpose=ENDPOINT_SECRET), one.expires_at)
        for one in WebhookSecret.objects.order_by("pk")
    ]
    assert found == [(first.secret, now + timedelta(hours=1)), (second.secret, None)]
    rotate_secret(endpoint=endpoint, actor=SYSTEM, as_of=now, grace=timedelta(0))
    assert WebhookSecret.objects.count() == 1
    assert "whsec_" not in str(list(AuditEntry.objects.values_list("before", "after")))


def test_what_the_tables_refuse(acme: Tenant, now: datetime) -> None:
    endpoint = make_endpoint(acme, now).endpoint
    tell(acme, now)
    send(now, DOWN)
    broken = [
        (WebhookEndpoint, {"status": "gone"}, "webhook_endpoint_status_known"),
        (WebhookEndpoint, {"status": "disabled"}, "webhook_endpoint_disabled_has_reason"),
        (WebhookEndpoint, {"disabled_because": "gone"}, "webhook_endpoint_disabled_has_reason"),
        (WebhookEndpoint, {"leased_until": now}, "webhook_endpoint_lease_has_end"),
        (WebhookEndpoint, {"failures": 0}, "webhook_endpoint_failures_have_begin"),
        (
            WebhookDelivery,
            {"status": "lost", "next_attempt_at": None, "ended_at": now},
            "webhook_delivery_status_known",
        ),
        (WebhookDelivery, {"status": "succeeded"}, "webhook_delivery_pending_has_next_attempt"),
        (WebhookDelivery, {"next_attempt_at": None}, "webhook_delivery_pending_has_next_attempt"),
    ]
    for model, change, constraint in broken:
        with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
            model._default_manager.update(**change)
    with pytest.raises(IntegrityError, match="webhook_secret_one_is_current"), transaction.atomic():
        WebhookSecret.objects.create(tenant=acme, endpoint=endpoint, sealed="x", created_at=now)
    delivery = WebhookDelivery.objects.get()
    with pytest.raises(IntegrityError, match="webhook_attempt_without_status_has_error"), transaction.atomic():
        delivery.attempts.create(tenant=acme, at=now, milliseconds=1, signature="")
    delivery.pk = endpoint.pk
    with pytest.raises(IntegrityError, match="webhook_delivery_once"), transaction.atomic():
        delivery.save(force_insert=True)
