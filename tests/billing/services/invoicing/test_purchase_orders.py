"""Texts on documents: purchase order, logo, terms, language. A stored document keeps its own."""

from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from PIL import Image

from accounts.errors import InvalidFieldsError
from accounts.models import AuditEntry
from billing.errors import InvoiceStatusError
from billing.models import BillingProfile, DocumentFile, Invoice
from billing.rendering.services.logos import keep_logo
from billing.services.documents.deliveries import invoice_pdf
from billing.services.invoicing.purchase_orders import set_purchase_order
from billing.services.invoicing.running import run_invoicing
from billing.services.subscriptions.profiles import update_billing_profile
from billing.verification.services.running import run_verification
from tests.billing.rendering.services.reading import texts
from tests.billing.world import GRACE, MARCH, STAFF, close_month, first_invoice, set_issuer, subscribe_tenant

pytestmark = pytest.mark.django_db
APRIL = MARCH.replace(month=4)


def logo() -> str:
    written = BytesIO()
    Image.new("RGB", (60, 20), (29, 77, 58)).save(written, "PNG")
    return keep_logo(content=written.getvalue(), as_of=MARCH)


def said(invoice: Invoice) -> tuple[Any, ...]:
    content = invoice.document.content
    terms = content["issuer"]["payment_terms"]
    return content["language"], content["purchase_order"], content.get("logo", ""), terms


def test_documents_have_the_customers_order_and_language_and_keep_them() -> None:
    subscription = subscribe_tenant()
    before = first_invoice(subscription)
    picture = logo()
    set_issuer(logo=picture, payment_terms="Interest of 8 % on late payments.")
    changes = {"purchase_order": "PO 4711", "language": "de"}
    update_billing_profile(tenant=subscription.tenant, changes=changes, actor=STAFF, as_of=MARCH)
    after = close_month(subscription)

    assert said(before) == ("en", "", "", "")
    assert said(after) == ("de", "PO 4711", picture, "Interest of 8 % on late payments.")
    english, german = (" ".join(texts(bytes(invoice_pdf(invoice=one, as_of=APRIL).content))) for one in (before, after))
    assert "Invoice number" in english
    assert "Interest" not in english
    for words in ("Rechnungsnummer", "Ihre Bestellnummer", "PO 4711", "Pro: Monatsgebühr", "Interest of 8 %"):
        assert words in german
    assert len(bytes(DocumentFile.objects.get(pk=after.number).file.content)) > 0
    assert run_verification(started_by="test", as_of=APRIL + GRACE).differences == []


def test_one_draft_has_its_own_order_until_it_is_issued() -> None:
    subscription = subscribe_tenant()
    first_invoice(subscription)
    update_billing_profile(
        tenant=subscription.tenant, changes={"purchase_order": "PO 1"}, actor=STAFF, as_of=MARCH
    )  # fmt: skip
    subscription.refresh_from_db()
    run_invoicing(as_of=subscription.period_end)
    draft = Invoice.objects.get(status="draft")
    set_purchase_order(invoice_id=draft.pk, purchase_order=" PO 2 ", actor=STAFF, as_of=APRIL)
    with pytest.raises(InvalidFieldsError):
        set_purchase_order(invoice_id=draft.pk, purchase_order="x" * 61, actor=STAFF, as_of=APRIL)
    run_invoicing(as_of=subscription.period_end + GRACE)
    assert Invoice.objects.get(pk=draft.pk).document.content["purchase_order"] == "PO 2"
    entry = AuditEntry.objects.get(action="invoice.purchase_order_set")
    assert (entry.before, entry.after) == ({"purchase_order": None}, {"purchase_order": "PO 2"})
    with pytest.raises(InvoiceStatusError, match="only a draft"):
        set_purchase_order(invoice_id=draft.pk, purchase_order="PO 3", actor=STAFF, as_of=APRIL)
    later = close_month(subscription, as_of=subscription.period_end + timedelta(days=32))
    assert later.document.content["purchase_order"] == "PO 1"


@pytest.mark.parametrize(
    ("changes", "field"), [({"language": "nl"}, "/language"), ({"purchase_order": "a\nb"}, "/purchase_order")]
)
def test_text_that_no_document_can_show_is_refused(changes: dict[str, object], field: str) -> None:
    tenant = subscribe_tenant().tenant
    with pytest.raises(InvalidFieldsError) as refused:
        update_billing_profile(tenant=tenant, changes=changes, actor=STAFF, as_of=MARCH)
    assert refused.value.field_errors[0].pointer == field
    with pytest.raises(IntegrityError, match="billing_profile_language_known"), transaction.atomic():
        BillingProfile.objects.create(tenant=tenant, language="nl")
