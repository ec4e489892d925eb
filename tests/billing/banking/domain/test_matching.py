"""Which invoice a transfer pays without doubt, and what a person should look at."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from billing.banking.domain.entries import StatedEntry
from billing.banking.domain.matching import MatchedBy, OwedInvoice, OwedInvoices, is_same_name
from billing.domain.transfers import creditor_reference

ONE, TWO, THREE = (UUID(int=number) for number in (1, 2, 3))
OWED = OwedInvoices(
    [
        OwedInvoice(ONE, "INV-2026-000001", 4900, "EUR", ("Acme GmbH", "acme")),
        OwedInvoice(TWO, "INV-2026-000002", 4900, "EUR", ("Café Zürich AG", "zuerich")),
        OwedInvoice(THREE, "INV-2026-000003", 12000, "USD", ("Globex Ltd", "globex")),
    ]
)


def entry(amount_minor: int = 4900, text: str = "", payer: str = "", currency: str = "EUR") -> StatedEntry:
    return StatedEntry(date(2026, 3, 10), amount_minor, currency, text, payer)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"text": f"{creditor_reference('INV-2026-000002')} danke"}, (TWO, MatchedBy.REFERENCE)),
        ({"text": creditor_reference("INV-2026-000002"), "amount_minor": 1}, (TWO, MatchedBy.REFERENCE)),
        ({"text": "rechnung inv 2026 000001"}, (ONE, MatchedBy.NUMBER)),
        ({"payer": "ACME"}, (ONE, MatchedBy.NAME)),
        ({"payer": "CAFE ZURICH"}, (TWO, MatchedBy.NAME)),
        ({"payer": "Globex", "amount_minor": 12000, "currency": "USD"}, (THREE, MatchedBy.NAME)),
        ({"text": "INV-2026-000001", "amount_minor": 4800}, None),
        ({"text": "INV-2026-0000011"}, None),
        ({"text": f"{creditor_reference('INV-2026-000001')} {creditor_reference('INV-2026-000002')}"}, None),
        ({"text": "INV-2026-000001 INV-2026-000002"}, None),
        ({"text": creditor_reference("INV-2026-000003")}, None),  # it is owed in dollars
        ({"text": creditor_reference("INV-2026-000001").replace("RF", "RG")}, (ONE, MatchedBy.NUMBER)),
        ({"payer": ""}, None),
        ({"text": creditor_reference("INV-2026-000001"), "amount_minor": -4900}, None),
    ],
)
def test_only_what_leaves_no_doubt_is_paid(given: dict[str, Any], found: tuple[UUID, MatchedBy] | None) -> None:
    match = OWED.match(entry(**given))
    assert (match and (match.invoice_id, match.by)) == found


def test_the_rest_is_suggested_with_its_reasons_the_likeliest_first() -> None:
    told = OWED.suggest(entry(4900, "for INV-2026-000002", "Acme"))
    assert [(one.number, one.reasons) for one in told] == [
        ("INV-2026-000001", ("the payer's name", "the amount")),
        ("INV-2026-000002", ("its number", "the amount")),
    ]
    assert OWED.suggest(entry(1, "", "a stranger")) == []


def test_a_paid_invoice_is_not_paid_again_by_the_next_entry() -> None:
    owed = OwedInvoices([OwedInvoice(ONE, "INV-1", 100, "EUR", ("Acme",))])
    assert owed.match(entry(100, "", "Acme")) is not None
    owed.forget(ONE)
    assert owed.match(entry(100, creditor_reference("INV-1"), "Acme")) is None


@pytest.mark.parametrize("payer", ["ACME G.M.B.H", "acme  gmbh", "Acmé"])
def test_a_name_is_the_same_apart_from_case_accents_and_legal_forms(payer: str) -> None:
    assert is_same_name(payer.replace(".", ""), ("Acme GmbH",))
    assert not is_same_name("GmbH", ("GmbH",))
