"""Faults that are planted in an invoice that staff wrote are named by verification, each as what it is."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import connection

from billing.conservation.selectors.written import faults_of_written
from billing.desk.services.writing_invoices import write_invoice
from billing.domain.invoicing.items import Item
from billing.models import Invoice, TaxRate
from billing.verification.services.running import run_verification
from tests.billing.world import MARCH, STAFF, first_invoice, set_issuer, subscribe_tenant

pytestmark = [pytest.mark.django_db, pytest.mark.as_owner]


@pytest.fixture
def written() -> Invoice:
    set_issuer(country="BE", legal_name="Meridian", address_line1="Rue 1", city="Brussels", tax_id="BE0403019261")
    TaxRate.objects.get_or_create(country="BE", defaults={"percent": 21})
    tenant = subscribe_tenant(country="BE", address_line1="Rue 2", city="Ghent", legal_name="Acme")
    first_invoice(tenant)
    item = Item("Support", Decimal("2.5"), "hours", Decimal("99.99"), date(2026, 3, 16), date(2026, 4, 14))
    made = write_invoice(
        tenant_id=tenant.tenant_id, items=[item], reason="agreed", actor=STAFF, as_of=MARCH + timedelta(days=1)
    )
    assert isinstance(made, Invoice)
    return made


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE billing_invoiceline SET amount_minor = 9 WHERE kind = 'one_off'", "Line 1 is over 9"),
        ("UPDATE billing_invoiceline SET quantity = 3 WHERE kind = 'one_off'", "quantity times price is 29997"),
        ("UPDATE billing_invoiceline SET tax_percent = 6 WHERE kind = 'one_off'", "not the rates on the sums"),
        ("UPDATE billing_invoiceline SET supplied_on = '2026-03-16' WHERE kind = 'one_off'", "on another day"),
        ("UPDATE billing_invoicetax SET tax_minor = 1 WHERE base_minor = 24998", "not the rates on the sums"),
        (
            "UPDATE billing_invoice SET tax_minor = 0, total_minor = 24998 WHERE kind = 'manual'",
            "are [24998, 0, 24998]",
        ),
    ],
)
def test_a_planted_fault_is_named(written: Invoice, statement: str, said: str) -> None:
    assert faults_of_written([written.pk]) == faults_of_written([]) == []
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(statement)
        assert cursor.rowcount == 1
        cursor.execute("SET session_replication_role = DEFAULT")
    found = run_verification(started_by="test", as_of=MARCH + timedelta(days=2)).differences
    assert any(one.code == "written" and said in one.detail for one in found)
