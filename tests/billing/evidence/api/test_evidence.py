"""`GET /invoices/{number}/evidence`: one tenant's own, as a file."""

import json

import pytest
from rest_framework.test import APIClient

from accounts.domain.scopes import Scope
from accounts.models import Tenant
from billing.domain.statuses import InvoiceStatus
from billing.models import Invoice
from tests.billing.evidence.evidence_world import invoiced_march, sign_all
from tests.billing.world import close_month, subscribe_tenant
from tests.metering.ledger_world import make_key, make_tenant

pytestmark = pytest.mark.django_db


def client_of(tenant: Tenant, *scopes: Scope) -> APIClient:
    _, secret = make_key(tenant, scopes=list(scopes or (Scope.BILLING_READ,)))
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


def path_of(invoice: Invoice, query: str = "") -> str:
    return f"/api/v1/invoices/{invoice.number}/evidence{query}"


def test_the_bundle_is_a_file_with_the_events_or_their_hashes() -> None:
    invoice = invoiced_march()
    sign_all()
    client = client_of(invoice.tenant)
    response = client.get(path_of(invoice))
    assert response["Content-Disposition"] == f'attachment; filename="{invoice.number}-evidence.json"'
    full = json.loads(response.getvalue())
    hashes = json.loads(client.get(path_of(invoice, "?events=hashes")).getvalue())
    assert (full["head"]["events"], hashes["head"]["events"]) == ("full", "hashes")
    assert "content" in full["events"][0]
    assert "content" not in hashes["events"][0]


def test_another_tenant_and_another_scope_get_nothing() -> None:
    invoice = invoiced_march()
    stranger = client_of(make_tenant("globex"))
    assert stranger.get(path_of(invoice)).status_code == 404
    assert client_of(invoice.tenant, Scope.USAGE_READ).get(path_of(invoice)).status_code == 403


def test_a_draft_has_no_evidence_and_another_choice_is_named() -> None:
    subscription = subscribe_tenant()
    draft = close_month(subscription, as_of=subscription.period_end)
    assert draft.status == InvoiceStatus.DRAFT
    client = client_of(subscription.tenant)
    assert client.get("/api/v1/invoices/None/evidence").status_code == 404
    first = Invoice.objects.exclude(number=None).get()
    assert client.get(path_of(first, "?events=some")).json()["code"] == "invalid_events"


def test_a_client_that_hangs_up_leaves_no_file_open() -> None:
    invoice = invoiced_march()
    response = client_of(invoice.tenant).get(path_of(invoice))
    response.close()
