"""One service writes rates and registrations, and keeps what invoices state."""

from datetime import date
from decimal import Decimal

import pytest

from accounts.errors import ConflictError, InvalidFieldsError
from accounts.models import AuditEntry
from billing.models import Issuer, TaxRate, TaxRegistration
from billing.taxation.services.tax_settings import (
    confirm_tax_rules,
    delete_tax_rate,
    delete_tax_registration,
    save_tax_rate,
    save_tax_registration,
)
from tests.billing.world import MARCH, STAFF, first_invoice, set_issuer, subscribe_tenant

pytestmark = pytest.mark.django_db
BELGIAN = {"country": "BE", "name": "VAT", "percent": Decimal(21)}
IN_FRANCE = {"country": "FR", "scheme": "local", "tax_id": "FR 40 303 265 045"}


def rate(**changes: object) -> TaxRate:
    return save_tax_rate(rate=None, changes=BELGIAN | changes, actor=STAFF, as_of=MARCH)


def actions() -> list[str]:
    return list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))


def test_a_tax_rate_is_added_changed_and_deleted_with_audit_entries() -> None:
    added = rate()
    changed = save_tax_rate(rate=added, changes={"percent": Decimal(22)}, actor=STAFF, as_of=MARCH)
    save_tax_rate(rate=added, changes={"percent": Decimal(22)}, actor=STAFF, as_of=MARCH)
    assert changed.percent == 22
    delete_tax_rate(rate=changed, actor=STAFF, as_of=MARCH)
    assert actions() == ["taxrate.created", "taxrate.changed", "taxrate.deleted"]
    assert AuditEntry.objects.get(action="taxrate.changed").before == {"percent": "21"}
    assert not TaxRate.objects.exists()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"country": "ZZ"}, "/country"),
        ({"percent": Decimal(101)}, "/percent"),
        ({"percent": Decimal("NaN")}, "/percent"),
        ({"percent": "21"}, "/percent"),
        ({"category": "Z"}, "/category"),
        ({"percent": Decimal(0)}, "/category"),
        ({"percent": Decimal(0), "category": "Z", "reason": " "}, "/reason"),
    ],
)
def test_an_invalid_tax_rate_is_refused(changes: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        rate(**changes)
    assert [error.pointer for error in refused.value.field_errors] == [field]


def test_two_tax_rates_do_not_begin_on_one_day() -> None:
    rate()
    with pytest.raises(ConflictError, match="begins on the same day"):
        rate()
    assert rate(valid_from=date(2026, 3, 1)).pk
    assert TaxRate.objects.count() == 2


def test_a_tax_rate_on_invoices_never_changes_and_a_change_is_a_new_row() -> None:
    known = rate()
    number = first_invoice(subscribe_tenant(country="BE")).number
    with pytest.raises(ConflictError, match=f"stands on {number}"):
        save_tax_rate(rate=known, changes={"percent": Decimal(25)}, actor=STAFF, as_of=MARCH)
    with pytest.raises(ConflictError, match=f"stands on {number}"):
        delete_tax_rate(rate=known, actor=STAFF, as_of=MARCH)
    rate(percent=Decimal(25), valid_from=date(2026, 4, 1))
    assert sorted(TaxRate.objects.values_list("percent", flat=True)) == [21, 25]


def test_a_registration_is_added_changed_and_deleted_with_audit_entries() -> None:
    added = save_tax_registration(registration=None, changes=IN_FRANCE, actor=STAFF, as_of=MARCH)
    assert added.tax_id == "FR40303265045"
    ends = {"valid_until": date(2026, 12, 31)}
    ended = save_tax_registration(registration=added, changes=ends, actor=STAFF, as_of=MARCH)
    assert ended.valid_until == date(2026, 12, 31)
    delete_tax_registration(registration=ended, actor=STAFF, as_of=MARCH)
    assert actions() == ["taxregistration.created", "taxregistration.changed", "taxregistration.deleted"]
    assert TaxRegistration.objects.count() == 1  # of the sample seller


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"country": "ZZ", "tax_id": ""}, "/country"),
        ({"tax_id": "FR00000000000"}, "/tax_id"),
        ({"valid_from": date(2026, 3, 2), "valid_until": date(2026, 3, 1)}, "/valid_until"),
    ],
)
def test_an_invalid_registration_is_refused(changes: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        save_tax_registration(registration=None, changes=IN_FRANCE | changes, actor=STAFF, as_of=MARCH)
    assert [error.pointer for error in refused.value.field_errors] == [field]


def test_the_one_stop_shop_has_numbers_of_its_own() -> None:
    shop = {"country": "IE", "scheme": "oss_non_union", "tax_id": "EU372001951"}
    assert save_tax_registration(registration=None, changes=shop, actor=STAFF, as_of=MARCH).pk


def test_the_tax_rules_are_confirmed_for_the_sellers_country_alone() -> None:
    set_issuer(country="DE", tax_id="DE136695976")
    assert not Issuer.objects.get().is_tax_confirmed
    issuer = confirm_tax_rules(actor=STAFF, as_of=MARCH)
    assert (issuer.is_tax_confirmed, issuer.tax_rules_confirmed_by, issuer.tax_rules_confirmed_at) == (
        True,
        STAFF.label,
        MARCH,
    )
    assert actions() == ["issuer.tax_rules_confirmed"]
    set_issuer(country="FR")
    assert not Issuer.objects.get().is_tax_confirmed


def test_tax_rules_for_no_country_are_not_confirmed() -> None:
    set_issuer(country="")
    with pytest.raises(ConflictError, match="Fill in the country"):
        confirm_tax_rules(actor=STAFF, as_of=MARCH)
