"""How a tenant is billed: the settings of staff are recorded, and invoices follow them."""

from datetime import date
from decimal import Decimal

import pytest

from accounts.errors import InvalidFieldsError
from accounts.models import AuditEntry, Tenant
from billing.models import BillingProfile
from billing.selectors.taxes import tax_tables
from billing.services.subscriptions.profiles import billing_profile_of, update_billing_profile
from tests.billing.world import MARCH, STAFF, first_invoice, subscribe_tenant
from tests.metering.ledger_world import make_tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Tenant:
    return make_tenant("acme", country="BE")


def test_every_tenant_has_the_default_billing_profile(acme: Tenant) -> None:
    profile = billing_profile_of(acme.pk)
    assert (profile.tax_treatment, profile.tax_percent, profile.payment_days) == ("automatic", None, None)
    assert billing_profile_of(acme.pk) == profile
    assert BillingProfile.objects.count() == 1


def test_a_billing_profile_set_by_staff_is_stored_and_audited(acme: Tenant) -> None:
    changes: dict[str, object] = {"tax_treatment": "exempt", "tax_exemption_reason": "Embassy.", "payment_days": 30}
    for _ in range(2):
        profile = update_billing_profile(tenant=acme, changes=changes, actor=STAFF, as_of=MARCH)
    assert (profile.tax_treatment, profile.payment_days) == ("exempt", 30)
    entry = AuditEntry.objects.get(action="tenant.billing_updated")
    assert entry.before == {"tax_treatment": "automatic", "tax_exemption_reason": "", "payment_days": None}
    assert entry.after == changes
    assert tax_tables([acme.pk])[acme.pk].on(date(2026, 1, 1)).note == "Embassy."


def test_the_next_invoice_follows_the_billing_profile() -> None:
    made = subscribe_tenant()
    changes: dict[str, object] = {"tax_percent": Decimal("7.7"), "tax_treatment": "standard", "payment_days": 30}
    update_billing_profile(tenant=made.tenant, changes=changes, actor=STAFF, as_of=MARCH)
    invoice = first_invoice(made)
    assert (invoice.tax_minor, invoice.total_minor) == (377, 5277)
    assert invoice.due_on is not None
    assert invoice.issued_on is not None
    assert (invoice.due_on - invoice.issued_on).days == 30


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"tax_treatment": "none"}, "/tax_treatment"),
        ({"tax_percent": Decimal(-1)}, "/tax_percent"),
        ({"tax_percent": Decimal("100.01")}, "/tax_percent"),
        ({"tax_percent": Decimal("NaN")}, "/tax_percent"),
        ({"payment_days": -1}, "/payment_days"),
        ({"payment_days": 366}, "/payment_days"),
    ],
)
def test_an_invalid_billing_profile_is_refused_by_field(acme: Tenant, changes: dict[str, object], refused: str) -> None:
    with pytest.raises(InvalidFieldsError) as error:
        update_billing_profile(tenant=acme, changes=changes, actor=STAFF, as_of=MARCH)
    assert [found.pointer for found in error.value.field_errors] == [refused]
    assert not AuditEntry.objects.filter(action="tenant.billing_updated").exists()


def test_unknown_fields_of_a_billing_profile_are_refused(acme: Tenant) -> None:
    with pytest.raises(AssertionError):
        update_billing_profile(tenant=acme, changes={"card_label": "Visa"}, actor=STAFF, as_of=MARCH)
