"""The particulars that the law requires of an invoice are found in the document."""

from typing import Any

import pytest

from billing.conservation.domain.particulars import particulars_missing

ADDRESS = {"address_line1": "Kunstlaan 1", "city": "Brussels", "country": "BE"}
SELLER = {"legal_name": "Meterworks NV", "tax_id": "BE0403019261", **ADDRESS}
BUYER = {"name": "Acme", "tax_id": "", **ADDRESS}
GERMAN = {**BUYER, "country": "DE", "tax_id": "DE136695976"}
TAXED = {"percent": "21", "treatment": "standard", "note": "", "base_minor": 2900, "amount_minor": 609}
REVERSED = {"percent": "0", "treatment": "reverse_charge", "note": "Reverse charge.", "base_minor": 2900,
            "amount_minor": 0}  # fmt: skip
OUTSIDE = {"percent": "0.0000", "treatment": "standard", "base_minor": 2900, "amount_minor": 0,
           "note": "Not subject to tax in the country of the seller."}  # fmt: skip


def found(*rows: dict[str, Any], **said: Any) -> list[str]:
    content = {"issuer": SELLER, "customer": BUYER, "currency": "EUR", "taxes": list(rows)} | said
    return [code for code, _ in particulars_missing(content)]


def test_a_complete_document_has_no_finding() -> None:
    assert found(TAXED) == []
    assert found(REVERSED, customer=GERMAN) == []
    assert found(OUTSIDE, customer={**BUYER, "country": "US"}) == []
    assert found(TAXED, issuer={**SELLER, "country": "CH"}, customer={**BUYER, "country": "CH"}, currency="CHF") == []


def test_a_document_over_zero_is_not_checked() -> None:
    assert found({**TAXED, "base_minor": 0}, issuer={}, customer={}) == []
    assert found(issuer={}) == []


@pytest.mark.parametrize("issuer", [{**SELLER, "legal_name": "Your company"}, {**SELLER, "city": ""}, {}])
def test_the_seller_must_be_named(issuer: dict[str, str]) -> None:
    assert found(TAXED, issuer=issuer) == ["particulars"]


def test_a_seller_who_charges_tax_must_state_its_tax_number() -> None:
    assert found(TAXED, issuer={**SELLER, "tax_id": ""}) == ["particulars"]
    assert found(OUTSIDE, issuer={**SELLER, "tax_id": ""}, customer={**BUYER, "country": "US"}) == []


def test_the_customers_name_and_the_supply_must_be_stated() -> None:
    assert found(TAXED, customer={**BUYER, "name": "", "legal_name": ""}) == ["particulars"]
    assert found(TAXED, lines=[{"description": "Fee"}, {"description": ""}]) == ["particulars"]
    assert found({**REVERSED, "note": "0 %"}, customer=GERMAN) == ["particulars"]


def test_swiss_documents_need_the_place_alone_and_british_ones_their_tax_in_pounds() -> None:
    swiss = {"issuer": {**SELLER, "country": "CH", "address_line1": ""}, "customer": {**BUYER, "address_line1": ""}}
    assert found(TAXED, currency="CHF", **swiss) == []
    british = {**SELLER, "country": "GB"}
    assert found(TAXED, issuer=british, customer={**BUYER, "country": "GB"}) == ["own_currency"]


def test_the_customers_address_must_be_stated() -> None:
    assert found(TAXED, customer={**BUYER, "address_line1": ""}) == ["particulars"]


@pytest.mark.parametrize(
    ("country", "number"),
    [("DE", "DE000000000"), ("FR", "FR00000000000"), ("DE", "NONE1234"), ("DE", ""), ("FR", "DE136695976")],
)
def test_who_owes_the_tax_must_have_a_tax_number(country: str, number: str) -> None:
    assert found(REVERSED, customer={**BUYER, "country": country, "tax_id": number}) == ["tax_id"]


def test_a_greek_tax_number_begins_with_el() -> None:
    greek = {**BUYER, "country": "GR", "tax_id": "EL094259216"}
    assert found(REVERSED, customer=greek) == []


def test_a_supply_within_the_union_or_at_home_is_not_outside_of_it() -> None:
    assert found(OUTSIDE, customer={**BUYER, "country": "AT"}) == ["untaxed"]
    assert found(OUTSIDE) == ["untaxed"]


def test_a_seller_from_outside_charges_no_tax_to_a_business() -> None:
    swiss = {**SELLER, "country": "CH", "tax_id": "CHE116281710MWST"}
    assert found(TAXED, issuer=swiss, customer=GERMAN, currency="CHF") == ["tax_abroad"]
    assert found(TAXED, issuer=swiss, customer={**GERMAN, "tax_id": ""}, currency="CHF") == []


def test_tax_must_be_stated_in_the_currency_of_the_seller() -> None:
    assert found(TAXED, currency="USD") == ["own_currency"]
    assert found(TAXED, currency="USD", in_own={"currency": "EUR", "rows": ["x"]}) == []
    assert found(OUTSIDE, currency="USD", customer={**BUYER, "country": "US"}) == []
