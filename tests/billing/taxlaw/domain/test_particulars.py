"""What a document has to say before it gets a number: docs/invoicing.md and docs/invoices.md."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from billing.domain.invoicing.lines import CARRY, RECURRING, LineDraft
from billing.domain.tax import OUT_OF_SCOPE_NOTE, REVERSE_CHARGE_NOTE, TaxCategory, TaxDecision, TaxTreatment
from billing.taxlaw.domain.particulars import (
    Missing,
    has_address,
    in_words,
    is_of_value,
    missing_particulars,
    tax_problems,
)
from metering.domain.periods import Span

MARCH = Span(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
ABROAD = TaxDecision(TaxTreatment.STANDARD, "Tax", Decimal(0), "Abroad.", TaxCategory.OUT_OF_SCOPE)
FEE = LineDraft(RECURRING, "Fee", MARCH, Decimal(1), 4900, {}, tax=ABROAD)
SELLER = {
    "legal_name": "Seller BV", "address_line1": "Meir 24", "city": "Antwerp", "country": "BE", "tax_id": "BE0417497106",
}  # fmt: skip
BUYER = {
    "name": "Acme", "legal_name": "", "address_line1": "1 Main Street", "city": "Berlin", "country": "DE",
    "tax_id": "DE136695976",
}  # fmt: skip
BRITISH = {**SELLER, "country": "GB", "tax_id": "GB980780684"}
SWISS = {**SELLER, "country": "CH", "tax_id": "CHE107787577MWST"}
AMERICAN = {**SELLER, "country": "US", "tax_id": ""}
LINE = {"description": "Fee", "supplied_on": "2026-03-01", "tax": {"category": "S"}}
TAXED = {
    "base_minor": 4900, "percent": "21", "amount_minor": 1029, "category": "S", "jurisdiction": "BE", "note": "",
}  # fmt: skip
REVERSED = TAXED | {"percent": "0", "amount_minor": 0, "category": "AE", "jurisdiction": "DE",
                    "note": REVERSE_CHARGE_NOTE}  # fmt: skip
AT_HOME = TAXED | {"jurisdiction": "US"}
OUTSIDE = TAXED | {"percent": "0", "amount_minor": 0, "category": "O", "jurisdiction": "US", "note": OUT_OF_SCOPE_NOTE}


def missing(row: dict[str, Any] = TAXED, **said: Any) -> list[tuple[str, str]]:
    content = {
        "issued_on": "2026-03-01",
        "currency": "EUR",
        "issuer": SELLER,
        "customer": BUYER,
        "lines": [LINE, {"description": "Credit", "supplied_on": None, "tax": None}],
        "taxes": [row],
    }
    return [(one.what, one.source) for one in missing_particulars(content | said)]


def test_nothing_is_missing_if_all_is_said() -> None:
    assert missing() == missing(REVERSED) == missing(OUTSIDE) == []
    assert missing(currency="USD", issuer_currency={"currency": "EUR"}) == []
    assert missing(AT_HOME, issuer=BRITISH, currency="GBP") == missing(AT_HOME, issuer=SWISS, currency="CHF") == []
    assert missing(AT_HOME, issuer=AMERICAN) == []


ARTICLE = "Directive 2006/112/EC, article"


@pytest.mark.parametrize(
    ("change", "what", "article"),
    [
        ({"issued_on": None}, "the date of issue", "226 (1)"),
        ({"issuer": SELLER | {"tax_id": ""}}, "the seller's VAT number", "226 (3)"),
        ({"issuer": SELLER | {"legal_name": "Your company"}}, "the seller's name", "226 (5)"),
        ({"issuer": SELLER | {"legal_name": " "}}, "the seller's name", "226 (5)"),
        ({"issuer": SELLER | {"address_line1": ""}}, "the seller's address", "226 (5)"),
        ({"issuer": SELLER | {"city": ""}}, "the seller's address", "226 (5)"),
        ({"customer": BUYER | {"name": ""}}, "the customer's name", "226 (5)"),
        ({"customer": BUYER | {"address_line1": " "}}, "the customer's address", "226 (5)"),
        ({"customer": BUYER | {"country": ""}}, "the customer's address", "226 (5)"),
        ({"lines": [LINE | {"description": " "}]}, "what was supplied", "226 (6)"),
        ({"lines": [LINE | {"supplied_on": None}]}, "the day of supply", "226 (7)"),
        ({"taxes": [TAXED | {"base_minor": None}]}, "the taxable amount", "226 (8)"),
        ({"taxes": [TAXED | {"percent": None}]}, "the rate", "226 (9)"),
        ({"taxes": [TAXED | {"amount_minor": None}]}, "the tax", "226 (10)"),
        ({"taxes": [OUTSIDE | {"note": ""}]}, "why no tax is charged", "226 (11)"),
        ({"taxes": [REVERSED], "customer": BUYER | {"tax_id": ""}}, "the customer's VAT number", "226 (4)"),
        ({"taxes": [REVERSED | {"note": "0 %"}]}, "the words Reverse charge", "226 (11a)"),
        ({"currency": "USD"}, "the tax in EUR", "230"),
    ],
)
def test_what_is_missing_is_named_with_its_article(change: dict[str, Any], what: str, article: str) -> None:
    assert missing(**{"row": TAXED} | change) == [(what, f"{ARTICLE} {article}")]


@pytest.mark.parametrize(
    ("change", "what", "source"),
    [
        (
            {"issuer": BRITISH | {"tax_id": ""}, "currency": "GBP"},
            "the seller's VAT number",
            "VAT Regulations 1995, regulation 14 (1) (d)",
        ),
        ({"issuer": BRITISH, "currency": "EUR"}, "the tax in GBP", "VAT Regulations 1995, regulation 14 (1) (l)"),
        (
            {"issuer": SWISS | {"tax_id": "CHE107787577"}, "currency": "CHF"},
            "the seller's UID with MWST behind it, as the register has it",
            "MWSTG, article 26 (2) a",
        ),
        ({"issuer": SWISS | {"tax_id": ""}, "currency": "CHF"}, "the seller's VAT number", "MWSTG, article 26 (2) a"),
        ({"issuer": AMERICAN, "customer": BUYER | {"city": ""}}, "the customer's address", "docs/invoices.md"),
        (
            {"issuer": AMERICAN, "taxes": [TAXED | {"jurisdiction": "DE"}]},
            "the number under which the seller declares the tax: enter it at the registration",
            f"{ARTICLE} 226 (3)",
        ),
    ],
)
def test_other_countries_ask_for_their_own(change: dict[str, Any], what: str, source: str) -> None:
    assert missing(**{"row": AT_HOME} | change) == [(what, source)]


def test_the_swiss_say_the_place_alone_and_ask_for_no_mark_if_they_charge_nothing() -> None:
    placed = {"issuer": SWISS | {"address_line1": ""}, "customer": BUYER | {"address_line1": ""}, "currency": "CHF"}
    assert missing(TAXED | {"jurisdiction": "CH"}, **placed) == []
    assert missing(REVERSED, issuer=SWISS | {"tax_id": "CHE107787577"}) == []


def test_a_number_is_missing_only_if_one_is_due() -> None:
    assert missing(OUTSIDE, issuer=SELLER | {"tax_id": ""}, customer=BUYER | {"tax_id": ""}) == []
    assert missing(REVERSED, customer=BUYER | {"country": "US", "tax_id": ""}) == []
    named = TAXED | {"jurisdiction": "DE", "note": "Seller's tax id in the one-stop shop: EU372000041."}
    assert missing(named, issuer=AMERICAN) == []


def test_what_is_missing_is_said_with_each_article_once() -> None:
    found = [Missing("a", "article 1"), Missing("b", "article 1"), Missing("c", "article 2")]
    assert in_words(found) == "a, b (article 1), c (article 2)"


def test_an_address_is_a_street_a_city_and_a_country() -> None:
    assert has_address(BUYER)
    assert not any(has_address(BUYER | {name: " "}) for name in ("address_line1", "city", "country"))


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
