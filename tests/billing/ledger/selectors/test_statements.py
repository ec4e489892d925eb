"""Statements of account: charges and payments, with the balance after each, for one tenant and currency."""

from datetime import date

import pytest

from billing.ledger.domain.accounts import EntryKind
from billing.ledger.selectors.statements import currencies_of, statement_of
from billing.ledger.services.posting import post
from tests.billing.ledger.domain.test_entries import EVENTS
from tests.billing.ledger.happenings import happening
from tests.metering.ledger_world import make_tenant

pytestmark = pytest.mark.django_db


def test_a_statement_begins_with_the_balance_brought_forward() -> None:
    tenant, other = make_tenant("acme"), make_tenant("globex")
    post([happening(tenant, EntryKind.INVOICE, "1", movements=EVENTS["finalized"], document="INV-1")])
    post([happening(tenant, EntryKind.WRITE_OFF, "1", movements=EVENTS["written off"], document="INV-1")])
    post([happening(tenant, EntryKind.RECOVERY, "1", movements=EVENTS["recovered"], document="INV-1")])
    post([happening(tenant, EntryKind.RELEASE, "1", on=date(2026, 4, 1), movements=EVENTS["released in April"])])
    post([happening(tenant, source="2", on=date(2026, 4, 2), movements=EVENTS["overpaid"])])
    post([happening(other, EntryKind.INVOICE, "2", movements=EVENTS["finalized"])])
    whole = statement_of(tenant_id=tenant.pk, currency="EUR", first=date(2026, 3, 1), end=date(2026, 5, 1))
    assert [
        (str(row.posted_on), row.kind, row.document, row.amount_minor, row.balance_minor) for row in whole.rows
    ] == [
        ("2026-03-15", "invoice", "INV-1", 11900, 11900),
        ("2026-03-15", "write_off", "INV-1", -11900, 0),
        ("2026-03-15", "recovery", "INV-1", 11900, 11900),
        ("2026-04-02", "payment", "pi_1", -13000, -1100),
    ]
    assert (whole.opening_minor, whole.closing_minor) == (0, -1100)
    april = statement_of(tenant_id=tenant.pk, currency="EUR", first=date(2026, 4, 1), end=date(2026, 5, 1))
    assert (april.opening_minor, len(april.rows), april.closing_minor) == (11900, 1, -1100)
    may = statement_of(tenant_id=tenant.pk, currency="EUR", first=date(2026, 5, 1), end=date(2026, 6, 1))
    assert (may.opening_minor, may.rows, may.closing_minor) == (-1100, (), -1100)


def test_the_currencies_of_a_tenants_statements() -> None:
    tenant = make_tenant("acme")
    assert currencies_of(tenant.pk) == []
    post([happening(tenant, source=currency, currency=currency) for currency in ("USD", "EUR")])
    assert currencies_of(tenant.pk) == ["EUR", "USD"]
