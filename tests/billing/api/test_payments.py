"""`/payments`: what came in, and a receipt for each, for the tenant's own keys."""

import pytest

from billing.models import Payment
from billing.services.invoicing.payments import record_unassigned_payment
from tests.billing.api.test_invoices import NOW, client_of
from tests.billing.rendering.services.reading import texts
from tests.billing.world import STAFF, subscribe_tenant

pytestmark = pytest.mark.django_db


def test_a_payment_is_listed_and_has_a_receipt() -> None:
    acme, rival = (subscribe_tenant(slug).tenant for slug in ("acme", "rival"))
    record_unassigned_payment(
        tenant_id=acme.pk, reference="R 1", amount_minor=5000, currency="EUR", occurred_at=NOW, actor=STAFF, as_of=NOW
    )
    payment = Payment.objects.get()
    client = client_of(acme)

    assert client.get("/api/v1/payments").json() == {
        "data": [
            {
                "id": payment.pk,
                "provider": "manual",
                "reference": "R 1",
                "currency": "EUR",
                "amount_minor": 5000,
                "allocated_minor": 0,
                "refunded_minor": 0,
                "unallocated_minor": 5000,
                "refunds": [],
                "disputes": [],
                "occurred_at": "2026-03-20T09:00:00Z",
            }
        ],
        "next": None,
        "previous": None,
    }
    answer = client.get(f"/api/v1/payments/{payment.pk}/receipt")
    assert (answer["Content-Type"], answer["Cache-Control"]) == ("application/pdf", "private, no-store")
    assert "it is yours 50.00 EUR" in " ".join(" ".join(texts(answer.content)).split())
    assert client_of(rival).get("/api/v1/payments").json()["data"] == []
    assert client_of(rival).get(f"/api/v1/payments/{payment.pk}/receipt").status_code == 404
