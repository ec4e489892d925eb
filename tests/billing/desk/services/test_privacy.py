"""What was written off is part of a tenant's export."""

import pytest

from accounts.services.privacy_parts import ExportedRows
from billing.desk.services.privacy import DeskPrivacy
from billing.desk.services.writing_off import write_off_invoice
from tests.billing.desk.colleagues import MAY
from tests.billing.world import STAFF, finalized_invoices


@pytest.mark.django_db
def test_write_offs_of_the_tenant_alone_are_exported() -> None:
    own, other = finalized_invoices(2)
    for invoice in (own, other):
        write_off_invoice(invoice_id=invoice.pk, reason="gone", actor=STAFF, as_of=MAY)
    *_, piece = DeskPrivacy().files(tenant=own.tenant)
    assert isinstance(piece, ExportedRows)
    assert [row["invoice_number"] for page in piece.pages() for row in page] == [own.number]
