"""What an invoice has to say before it gets a number: docs/invoicing.md."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from billing.domain.invoicing.lines import CARRY, RECURRING, LineDraft
from billing.domain.invoicing.particulars import is_of_value, missing_particulars, tax_problems
from billing.domain.tax import TaxCategory, TaxDecision, TaxTreatment
from metering.domain.periods import Span

MARCH = Span(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
VAT = TaxDecision(TaxTreatment.STANDARD, "VAT", Decimal(21), jurisdiction="BE")
REVERSE = TaxDecision(TaxTreatment.REVERSE_CHARGE, "VAT", Decimal(0), "Reverse charge.", TaxCategory.REVERSE_CHARGE)
ABROAD = TaxDecision(TaxTreatment.STANDARD, "Tax", Decimal(0), "Abroad.", TaxCategory.OUT_OF_SCOPE)
FEE = LineDraft(RECURRING, "Fee", MARCH, Decimal(1), 4900, {}, tax=VAT)
SELLER = {
    "legal_name": "Seller BV", "address_line1": "Meir 24", "city": "Antwerp", "country": "BE", "tax_id": "BE0417497106",
}  # fmt: skip
BUYER = {
    "name": "Acme", "legal_name": "", "address_line1": "1 Main Street", "city": "Berlin", "country": "DE",
    "tax_id": "DE136695976",
}  # fmt: skip


def missing(
    tax: TaxDecision = VAT, *, seller: dict[str, str] | None = None, buyer: dict[str, str] | None = None
) -> list[str]:
    line = replace(FEE, tax=tax)
    return missing_particulars([line], issuer=SELLER | (seller or {}), customer=BUYER | (buyer or {}))


def test_nothing_is_missing_where_both_are_known() -> None:
    assert missing() == missing(REVERSE) == missing(ABROAD) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"legal_name": "Your company"}, "the seller's name"),
        ({"legal_name": " "}, "the seller's name"),
        ({"address_line1": ""}, "the seller's address"),
        ({"city": ""}, "the seller's address"),
        ({"country": ""}, "the seller's address"),
        ({"tax_id": ""}, "the seller's VAT number"),
    ],
)
def test_what_is_missing_of_the_seller_is_named(change: dict[str, str], words: str) -> None:
    assert missing(seller=change) == [words]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": ""}, "the customer's name"),
        ({"address_line1": " "}, "the customer's address"),
        ({"city": ""}, "the customer's address"),
        ({"country": ""}, "the customer's address"),
    ],
)
def test_what_is_missing_of_the_customer_is_named(change: dict[str, str], words: str) -> None:
    assert missing(buyer=change) == [words]


def test_a_reverse_charge_names_both_numbers() -> None:
    assert missing(REVERSE, seller={"tax_id": ""}, buyer={"tax_id": ""}) == [
        "the seller's VAT number",
        "the customer's VAT number",
    ]


def test_a_number_is_missing_only_where_one_is_due() -> None:
    assert missing(ABROAD, seller={"tax_id": ""}, buyer={"tax_id": ""}) == []
    assert missing(VAT, seller={"country": "US", "tax_id": ""}) == []
    assert missing(REVERSE, buyer={"country": "US", "tax_id": ""}) == []


def test_what_is_free_lacks_nothing() -> None:
    assert is_of_value([FEE])
    assert not is_of_value([replace(FEE, amount_minor=0)])
    assert not is_of_value([])


def test_each_reason_why_a_tax_is_not_known_is_told_once() -> None:
    unknown = replace(ABROAD, problem="No rate.")
    lines = [
        replace(FEE, tax=unknown),
        replace(FEE, tax=unknown),
        FEE,
        replace(FEE, kind=CARRY, tax=None),
        replace(FEE, amount_minor=0, tax=replace(unknown, problem="Another.")),
    ]
    assert tax_problems(lines) == ["No rate."]
