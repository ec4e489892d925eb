"""Billing staff import a statement, follow its suggestions, and take a decision back."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from billing.banking.models import BankEntry
from billing.domain.transfers import creditor_reference
from billing.models import Invoice
from tests.billing.admin.desk import act, listed, page, said
from tests.billing.banking.files import Line, camt
from tests.billing.world import finalized_invoices

pytestmark = pytest.mark.django_db
IMPORT = "admin:banking_bankstatement_import_file"


def test_a_statement_is_imported_and_its_entries_are_decided(as_bo: Client, as_kim: Client) -> None:
    paid, other = finalized_invoices(2)
    lines = [Line("49.00", "x", "Y", creditor_reference(str(paid.number))), Line("49.00", "for march", "nobody")]
    assert as_kim.get(reverse(IMPORT)).status_code == 403
    assert "multipart/form-data" in as_bo.get(reverse(IMPORT)).content.decode()
    bad = as_bo.post(reverse(IMPORT), {"file": SimpleUploadedFile("a.xml", b"<!DOCTYPE x><a/>")})
    assert "document type" in bad.content.decode()

    done = as_bo.post(reverse(IMPORT), {"file": SimpleUploadedFile("a.xml", camt(lines))})
    assert "2 new entries, 1 paid an invoice, 1 wait for you." in said(done)

    waiting = BankEntry.objects.get(status="open")
    text = as_bo.get(page(waiting)).content.decode()
    assert f"?number={other.number}" in text
    assert "the amount" in text
    assert "There is no invoice" in as_bo.post(page(waiting, "assign"), {"number": "INV-1"}).content.decode()
    assert act(as_bo, waiting, "assign", number=other.number) == "Assigned."
    assert Invoice.objects.filter(status="paid").count() == 2
    assert "Taken back" in act(as_bo, waiting, "take_back", reason="Not theirs.")
    assert "Set aside" in act(as_bo, waiting, "set_entry_aside", reason="A gift.")
    assert "A gift." in as_bo.get(page(waiting)).content.decode()
    assert str(paid.number) in as_kim.get(listed(BankEntry)).content.decode()
