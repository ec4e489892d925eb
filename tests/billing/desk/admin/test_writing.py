"""Staff write an invoice on a page of its own, which keeps what was typed if something is missing."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from billing.models import Invoice
from tests.billing.admin.desk import issued, page, said

pytestmark = pytest.mark.django_db


def test_an_invoice_is_written_with_several_items(as_bo: Client, as_pat: Client) -> None:
    issued()
    url = reverse("admin:billing_invoice_write_invoice")
    assert as_pat.get(url).status_code == 403
    assert "Write an invoice" in as_bo.get(url).content.decode()
    today = str(timezone.now().date())
    item = {"description_1": "Setup", "quantity_1": "1", "unit_price_1": "250", "first_on_1": today}
    half = item | {"tenant": "acme", "reason": "agreed", "description_2": "Support"}
    assert "This item needs it" in as_bo.post(url, half).content.decode()
    assert "no such customer" in as_bo.post(url, half | {"tenant": "nowhere"}).content.decode()
    whole = half | {"quantity_2": "2", "unit_price_2": "99.50", "first_on_2": today, "last_on_2": today}
    assert "is issued: 449.00\N{NO-BREAK SPACE}EUR" in said(as_bo.post(url, whole))
    invoice = Invoice.objects.get(kind="manual")
    assert "Support" in as_bo.get(page(invoice)).content.decode()
