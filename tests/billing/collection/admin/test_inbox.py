"""The pages of providers' events and of usage pushed to providers: shown whole, decided by permitted staff."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.collection.models import InboxEvent, UsagePush
from metering.models import Meter
from tests.billing.admin.desk import act, issued, latest_entry, listed, page, said

pytestmark = pytest.mark.django_db


def inbox_event(**fields: object) -> InboxEvent:
    facts = {
        "provider": "stripe", "event_id": "evt_1", "type": "invoice.paid",
        "payload": {"id": "evt_1", "data": {"object": {"id": "in_1"}}}, "received_at": timezone.now(),
    }  # fmt: skip
    return InboxEvent.objects.create(**(facts | fields))


def test_an_event_is_shown_whole_and_found_by_type_and_status(as_pat: Client) -> None:
    event = inbox_event()
    inbox_event(event_id="evt_2", type="invoice.payment_failed", status="failed", error="timeout", attempts=3)
    assert "in_1" in as_pat.get(page(event)).content.decode()
    rows = as_pat.get(listed(InboxEvent), {"status__exact": "failed"}).context["cl"].result_list
    assert [row.event_id for row in rows] == ["evt_2"]
    with CaptureQueriesContext(connection) as queries:
        as_pat.get(listed(InboxEvent))
    assert not [query for query in queries if '"payload"' in query["sql"]], "a list reads no payloads"


def test_an_event_is_processed_again_and_the_page_shows_the_outcome(as_bo: Client) -> None:
    event = inbox_event(event_id="evt_2AEUQILN", type="customer.created", status="ignored", processed_at=timezone.now())
    assert "/reprocess/" in as_bo.get(page(event)).content.decode()
    assert "Process customer.created again?" in as_bo.get(page(event, "reprocess")).content.decode()
    assert "customer.created" in act(as_bo, event, "reprocess")
    assert any(entry.actor_label == "bo@example.org" for entry in [latest_entry()])
    chosen = {"action": "reprocess_selected", "_selected_action": [event.pk]}
    assert event.event_id in said(as_bo.post(listed(InboxEvent), chosen))


def test_an_event_claimed_by_a_worker_is_not_processed_again(as_bo: Client) -> None:
    event = inbox_event(attempts=1, next_attempt_at=timezone.now() + timedelta(minutes=5))
    assert "A worker is processing this event now." in act(as_bo, event, "reprocess")
    chosen = {"action": "reprocess_selected", "_selected_action": [event.pk]}
    assert "A worker is processing this event now." in said(as_bo.post(listed(InboxEvent), chosen))


def test_staff_who_only_read_cannot_process_events(as_kim: Client, as_pat: Client) -> None:
    event = inbox_event()
    for client in (as_kim, as_pat):
        assert client.get(page(event)).status_code == 200
        assert "/reprocess/" not in client.get(page(event)).content.decode()
        assert client.post(page(event, "reprocess"), {"reason": "x"}).status_code == 403
        client.post(listed(InboxEvent), {"action": "reprocess_selected", "_selected_action": [event.pk]})
    event.refresh_from_db()
    assert event.status == "pending"


def test_staff_try_a_rejected_push_again(admin_client: Client) -> None:
    tenant = issued().tenant
    push = UsagePush.objects.create(
        provider="stripe", tenant=tenant,
        meter=Meter.objects.get(code="calls"), hour=timezone.now(), quantity=12, identifier="acme:calls:1",
        status="rejected", error="no such meter", created_at=timezone.now(), finished_at=timezone.now(),
    )  # fmt: skip
    chosen = {"action": "retry_selected", "_selected_action": [push.pk]}
    assert "tried again with the next push" in said(admin_client.post(listed(UsagePush), chosen))
    push.refresh_from_db()
    assert (push.status, push.finished_at) == ("pending", None)
    assert "Only a rejected push" in said(admin_client.post(listed(UsagePush), chosen))


def test_pushed_usage_is_listed(as_pat: Client) -> None:
    UsagePush.objects.create(
        provider="stripe", tenant=issued().tenant, meter=Meter.objects.get(code="calls"), hour=timezone.now(),
        quantity=12,
        identifier="acme:calls:1", status="rejected", error="no such meter", created_at=timezone.now(),
    )  # fmt: skip
    assert "no such meter" in as_pat.get(listed(UsagePush)).content.decode()


@pytest.mark.parametrize("model", [InboxEvent, UsagePush])
def test_long_tables_are_never_counted(as_pat: Client, model: type[Any]) -> None:
    with CaptureQueriesContext(connection) as queries:
        as_pat.get(listed(model))
    assert not [query for query in queries if re.search(r"COUNT\(\*\)", query["sql"])]
