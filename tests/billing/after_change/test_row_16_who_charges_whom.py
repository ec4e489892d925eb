"""Row 16: a seller in CH or GB without a registration in the EU charges a business in DE no VAT."""

from decimal import Decimal

import pytest

from billing.domain.tax import REVERSE_CHARGE_NOTE
from billing.models import TaxRate, TaxRegistration
from tests.billing.world import first_invoice, set_issuer, subscribe_tenant

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("seller", "tax_id"), [("CH", "CHE107787577MWST"), ("GB", "GB980780684")])
def test_a_business_of_a_member_state_declares_the_tax_itself(seller: str, tax_id: str) -> None:
    TaxRegistration.objects.all().delete()
    TaxRate.objects.create(country="DE", percent=Decimal(19))
    set_issuer(country=seller, tax_id=tax_id)

    invoice = first_invoice(subscribe_tenant(country="DE", tax_id="DE136695976"))

    [tax] = invoice.document.content["taxes"]
    assert (tax["treatment"], tax["percent"], invoice.tax_minor, invoice.total_minor) == (
        "reverse_charge",
        "0",
        0,
        4900,
    )
    assert str(tax["note"]).startswith(REVERSE_CHARGE_NOTE)
