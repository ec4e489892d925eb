"""Writing off on an invoice's page: offered for what is overdue or uncollectible, and small amounts at once."""

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from billing.desk.models import WriteOff
from billing.evidence.services import bundles
from tests.billing.admin.desk import act, issued, page
from tests.billing.world import first_invoice, subscribe_tenant

pytestmark = pytest.mark.django_db


def test_it_is_offered_where_something_is_unpaid_that_nobody_expects(as_bo: Client, as_kim: Client) -> None:
    invoice = issued()
    assert "/write_off/" not in as_bo.get(page(invoice)).content.decode()
    act(as_bo, invoice, "mark_uncollectible", reason="Bankrupt")
    assert "/write_off/" in as_bo.get(page(invoice)).content.decode()
    assert as_kim.get(page(invoice, "write_off")).status_code == 403
    assert "are written off" in act(as_bo, invoice, "write_off", reason="Bankrupt")
    assert WriteOff.objects.get().created_by == "bo@example.org"
    assert "/write_off/" not in as_bo.get(page(invoice)).content.decode()


def test_an_overdue_invoice_is_written_off_at_once(as_bo: Client) -> None:
    invoice = first_invoice(subscribe_tenant(as_of=timezone.now() - timedelta(days=60)))
    assert "booked as lost" in as_bo.get(page(invoice, "write_off")).content.decode()
    assert "are written off" in act(as_bo, invoice, "write_off", reason="Bankrupt")


def test_staff_download_the_evidence_without_the_customers_events(as_bo: Client) -> None:
    invoice = issued()
    assert "/evidence/" in as_bo.get(page(invoice)).content.decode()
    bundle = json.loads(as_bo.get(page(invoice, "evidence")).getvalue())
    assert (bundle["head"]["invoice"], bundle["head"]["events"]) == (invoice.number, "hashes")


def test_evidence_that_is_too_large_is_refused_in_the_admin(as_bo: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "EVENTS_MAX", -1)
    invoice = issued()
    answer = as_bo.get(page(invoice, "evidence"), follow=True)
    assert "The invoice has more than" in answer.content.decode()
