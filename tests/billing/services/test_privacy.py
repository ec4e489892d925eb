"""What billing exports and erases."""

from datetime import timedelta

from accounts.services.privacy_parts import ErasedPerson, ExportedRows
from billing.models import BillingException
from billing.services.privacy import BillingPrivacy
from tests.billing.world import MARCH, first_invoice, subscribe_tenant


def test_lines_are_exported_with_the_invoice_of_their_tenant_alone(db: None) -> None:
    own, other = subscribe_tenant("acme"), subscribe_tenant("rival", plan=None)
    invoice = first_invoice(own)
    first_invoice(other)
    pieces = {piece.name: piece for piece in BillingPrivacy().files(tenant=own.tenant)}
    lines = pieces["invoice_lines.json"]
    assert isinstance(lines, ExportedRows)
    assert {row["invoice_id"] for page in lines.pages() for row in page} == {invoice.pk}


def test_staff_who_resolved_an_exception_keep_a_pseudonym(db: None) -> None:
    exception = BillingException.objects.create(
        subscription=subscribe_tenant(), code="drift", detail="x", occurred_at=MARCH, resolved_by="Sam@example.com",
        resolved_at=MARCH + timedelta(days=1),
    )  # fmt: skip
    BillingPrivacy().forget(person=ErasedPerson(3, frozenset({"sam@example.com"}), "person-3"))
    exception.refresh_from_db()
    assert exception.resolved_by == "person-3"
