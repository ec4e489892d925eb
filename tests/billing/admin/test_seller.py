"""What staff do about papers: the logo, one draft's purchase order, receipts and statements."""

from base64 import b64encode
from io import BytesIO

import pytest
from django.forms.models import model_to_dict
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from billing.admin.seller import IssuerForm
from billing.models import Invoice, Issuer, Payment
from billing.selectors.invoicing.due import Due
from billing.services.invoicing.drafting import draft_batch
from billing.services.invoicing.payments import record_payment
from tests.billing.admin.desk import act, issued, latest_entry, page, sold
from tests.billing.rendering.services.reading import texts

pytestmark = pytest.mark.django_db


def test_a_logo_is_given_and_taken_away(as_robin: Client) -> None:
    issuer, written = Issuer.objects.get(pk=1), BytesIO()
    Image.new("RGB", (60, 20), (29, 77, 58)).save(written, "PNG")
    stored = model_to_dict(issuer, fields=list(IssuerForm.base_fields))
    given = {name: value for name, value in stored.items() if value is not None}
    for content, is_refused in ((b"<svg/>", True), (written.getvalue(), False)):
        sent = f"data:image/png;base64,{b64encode(content).decode()}"
        answer = as_robin.post(page(issuer), given | {"logo_file": sent})
        assert ("A picture as PNG or JPEG." in answer.content.decode()) == is_refused
    issuer.refresh_from_db()
    assert len(issuer.logo) == 64
    assert latest_entry().after == {"logo": issuer.logo}
    as_robin.post(page(issuer), given | {"removes_logo": "on"})
    issuer.refresh_from_db()
    assert issuer.logo == ""


def test_one_draft_gets_its_purchase_order(as_bo: Client) -> None:
    subscription = sold()
    draft_batch(as_of=timezone.now(), due=Due(tenant_ids=[subscription.tenant_id]))
    draft = Invoice.objects.get()
    assert "The draft has its purchase order." in act(as_bo, draft, "purchase_order", purchase_order="PO 7")
    draft.refresh_from_db()
    assert draft.purchase_order == "PO 7"


def test_receipts_and_statements_are_read_as_pdf(as_bo: Client) -> None:
    invoice, now = issued(), timezone.now()
    record_payment(
        invoice_id=invoice.pk, provider="stripe", reference="in_1", amount_minor=1000, currency="EUR", occurred_at=now,
        as_of=now,
    )  # fmt: skip
    receipt = as_bo.get(page(Payment.objects.get(), "receipt"))
    assert f"Pays invoice {invoice.number} 10.00 EUR of 49.00 EUR" in " ".join(" ".join(texts(receipt.content)).split())

    asked = {"tenant": "acme", "from": f"{now:%Y}-01", "to": f"{now:%Y-%m}"}
    url = reverse("admin:report", args=["statement"])
    assert "format=pdf" in as_bo.get(url, asked).content.decode()
    statement = as_bo.get(url, asked | {"format": "pdf"})
    assert statement["Content-Type"] == "application/pdf"
    assert "39.00 EUR" in " ".join(" ".join(texts(statement.content)).split())
    sold("rival")
    assert as_bo.get(url, asked | {"tenant": "rival", "format": "pdf"}).status_code == 404
