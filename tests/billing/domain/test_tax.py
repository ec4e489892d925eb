"""Tax: the worked examples of docs/algorithms/rating.md, and the notes that stand on the invoice."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.domain.tax import (
    EU,
    OUT_OF_SCOPE_NOTE,
    REVERSE_CHARGE_NOTE,
    TaxDecision,
    TaxFacts,
    TaxTreatment,
    decide_tax,
)
from tests.algorithm_pages import rows_below
from tests.billing.domain.amounts import CURRENCIES

RATES = {"BE": ("VAT", Decimal(21)), "DE": ("USt", Decimal(19))}
AT_HOME = TaxFacts(
    seller_country="BE",
    buyer_country="BE",
    buyer_tax_id="",
    treatment=TaxTreatment.AUTOMATIC,
    percent=None,
    exemption_reason="",
    rates=RATES,
)
COUNTRIES = st.sampled_from(["", "BE", "DE", "FR", "US", "CH"])
FACTS = st.builds(
    TaxFacts,
    seller_country=COUNTRIES,
    buyer_country=COUNTRIES,
    buyer_tax_id=st.sampled_from(["", "X1"]),
    treatment=st.sampled_from(TaxTreatment),
    percent=st.none() | st.decimals(0, 100, places=4),
    exemption_reason=st.sampled_from(["", "Embassy."]),
    rates=st.just(RATES),
)


def test_the_decision_is_as_documented() -> None:
    columns = ("seller", "buyer", "tax id", "treatment", "own rate", "decided", "percent")
    for seller, buyer, tax_id, treatment, own_rate, decided, percent in rows_below("rating", *columns):
        facts = TaxFacts(
            seller_country=seller,
            buyer_country=buyer,
            buyer_tax_id=tax_id,
            treatment=TaxTreatment(treatment),
            percent=Decimal(own_rate) if own_rate else None,
            exemption_reason="",
            rates=RATES,
        )
        decision = decide_tax(facts)
        assert (decision.treatment, decision.percent) == (TaxTreatment(decided), Decimal(percent)), facts


def test_the_tax_on_a_sum_is_as_documented() -> None:
    for base, currency, percent, tax in rows_below("rating", "base", "currency", "percent", "tax"):
        decision = TaxDecision(TaxTreatment.STANDARD, "VAT", Decimal(percent))
        assert decision.amount_minor(int(base), currency) == int(tax)


def test_an_invoice_says_why_it_bears_no_tax() -> None:
    abroad = replace(AT_HOME, buyer_country="US")
    assert decide_tax(abroad).note == OUT_OF_SCOPE_NOTE
    assert decide_tax(replace(abroad, treatment=TaxTreatment.REVERSE_CHARGE)).note == REVERSE_CHARGE_NOTE
    exempt = replace(AT_HOME, treatment=TaxTreatment.EXEMPT)
    assert decide_tax(exempt).note == "Exempt from tax."
    assert decide_tax(replace(exempt, exemption_reason="Embassy.")).note == "Embassy."


def test_a_tax_that_is_borne_has_its_countrys_name_and_needs_no_note() -> None:
    decision = decide_tax(replace(AT_HOME, buyer_country="DE"))
    assert (decision.name, decision.note) == ("USt", "")


@pytest.mark.parametrize("country", sorted(EU - {"BE"}))
def test_businesses_of_every_other_member_state_declare_the_tax_themselves(country: str) -> None:
    decision = decide_tax(replace(AT_HOME, buyer_country=country, buyer_tax_id="X1"))
    assert decision.treatment is TaxTreatment.REVERSE_CHARGE


@given(FACTS)
def test_only_what_is_taxed_has_a_rate_and_what_is_not_has_a_note(facts: TaxFacts) -> None:
    decision = decide_tax(facts)
    assert 0 <= decision.percent <= 100
    if decision.treatment is not TaxTreatment.STANDARD:
        assert decision.percent == 0
        assert decision.note
    assert decision.treatment is not TaxTreatment.AUTOMATIC
    if facts.treatment is TaxTreatment.STANDARD:
        assert decision.treatment is TaxTreatment.STANDARD


@given(st.integers(0, 10**12), st.decimals(0, 100, places=4), CURRENCIES)
def test_tax_is_never_more_than_its_base(base: int, percent: Decimal, currency: str) -> None:
    assert 0 <= TaxDecision(TaxTreatment.STANDARD, "VAT", percent).amount_minor(base, currency) <= base
