"""Who charges which tax to whom: the tables of docs/algorithms/tax.md, and what is true of every decision."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.domain.tax_ids import EU
from billing.domain.tax import OUT_OF_SCOPE_NOTE, REVERSE_CHARGE_NOTE, TaxCategory, TaxDecision, TaxTreatment
from billing.taxlaw.domain.tax_rules import (
    UNKNOWN_NOTE,
    UNVERIFIED_MARK,
    CountryRate,
    Registration,
    TaxFacts,
    TaxIdState,
    TaxScheme,
    UnverifiedTaxIds,
    decide_tax,
    tax_table,
)
from tests.algorithm_pages import rows_below

DAY = date(2026, 3, 1)
PERCENTS = {"BE": "21", "DE": "19", "FR": "20", "GB": "20", "CH": "8.1", "NO": "25"}
RATES = {country: (CountryRate("VAT", Decimal(percent)),) for country, percent in PERCENTS.items()}
MATRIX = rows_below("tax", "seller", "registrations", "buyer", "tax id", "category", "percent", "tax of", "why")


def facts_of(seller: str, registrations: str, buyer: str, tax_id: str = "none", **more: object) -> TaxFacts:
    """Read a row of the matrix."""
    state, _, choice = tax_id.partition(", ")
    named = [words.split() for words in registrations.split(", ") if words]
    return TaxFacts(
        seller_country=seller,
        buyer_country=buyer,
        tax_id=TaxIdState(state),
        unverified=UnverifiedTaxIds(choice or "mark"),
        registrations=[Registration(country, TaxScheme(scheme)) for scheme, country in named],
        rates=RATES,
        **more,
    )


def said(decision: TaxDecision) -> tuple[str, Decimal]:
    """Return a decision as the pages write it."""
    return ("unknown" if decision.problem else decision.category.value, decision.percent)


@pytest.mark.parametrize("row", MATRIX, ids=lambda row: " ".join(row[:4]))
def test_the_tax_matrix_is_as_documented(row: list[str]) -> None:
    seller, registrations, buyer, tax_id, category, percent, country, _ = row
    decision = decide_tax(facts_of(seller, registrations, buyer, tax_id), DAY)
    assert (*said(decision), decision.jurisdiction) == (category, Decimal(percent), country)


def test_what_staff_decided_comes_first_as_documented() -> None:
    for treatment, own_rate, reason, category, percent in rows_below(
        "tax", "treatment", "own rate", "reason", "category", "percent"
    ):
        facts = facts_of(
            "BE",
            "",
            "DE",
            "verified",
            treatment=TaxTreatment(treatment),
            percent=Decimal(own_rate) if own_rate else None,
            exemption_reason=reason,
        )
        assert said(decide_tax(facts, DAY)) == (category, Decimal(percent)), facts


def test_the_day_of_supply_decides_as_documented() -> None:
    rates = {
        "BE": (CountryRate("VAT", Decimal(25), date(2026, 3, 1)), CountryRate("VAT", Decimal(21))),
        "DE": RATES["DE"],
    }
    joined = Registration("BE", TaxScheme.OSS_UNION, since=date(2026, 3, 10))
    for buyer, day, category, percent in rows_below("tax", "buyer", "day", "category", "percent"):
        table = tax_table(TaxFacts("BE", buyer, rates=rates, registrations=[joined]))
        assert said(table.on(date.fromisoformat(day))) == (category, Decimal(percent)), (buyer, day)


def test_a_registration_ends_with_its_last_day() -> None:
    left = Registration("BE", TaxScheme.OSS_UNION, until=date(2026, 3, 10))
    table = tax_table(TaxFacts("BE", "DE", rates=RATES, registrations=[left]))
    assert not table.on(date(2026, 3, 10)).problem
    assert "has no registration for a customer in DE" in table.on(date(2026, 3, 11)).problem


def test_before_the_first_day_of_a_countrys_first_rate_nothing_is_guessed() -> None:
    rates = {"BE": (CountryRate("VAT", Decimal(21), date(2026, 3, 1)),)}
    table = tax_table(TaxFacts("BE", "BE", rates=rates))
    assert table.on(date(2026, 2, 28)).problem == "No tax rate of BE is known for the day of supply: add its row."
    assert table.on(date(2026, 3, 1)).percent == 21


def test_an_invoice_states_why_it_bears_no_tax() -> None:
    abroad = facts_of("BE", "", "US")
    assert decide_tax(abroad, DAY).note == OUT_OF_SCOPE_NOTE
    assert decide_tax(facts_of("BE", "", "US", treatment=TaxTreatment.REVERSE_CHARGE), DAY).note == REVERSE_CHARGE_NOTE
    assert decide_tax(facts_of("BE", "", "DE", "verified"), DAY).note == REVERSE_CHARGE_NOTE
    marked = decide_tax(facts_of("BE", "", "DE", "unverified, mark"), DAY).note
    assert marked == f"{REVERSE_CHARGE_NOTE} {UNVERIFIED_MARK}"
    exempt = decide_tax(facts_of("BE", "", "BE", treatment=TaxTreatment.EXEMPT), DAY)
    assert (exempt.note, exempt.category) == ("Exempt from tax.", TaxCategory.EXEMPT)


def test_a_rate_of_nothing_prints_its_reason() -> None:
    zero = CountryRate("Sales tax", Decimal(0), None, TaxCategory.ZERO, "No sales tax on services in Oregon.")
    decision = decide_tax(TaxFacts("US", "US", rates={"US": [zero]}), DAY)
    assert (decision.category, decision.note) == (TaxCategory.ZERO, "No sales tax on services in Oregon.")


def test_a_foreign_tax_states_its_registration_number() -> None:
    there = Registration("DE", TaxScheme.LOCAL, tax_id="DE136695976")
    decision = decide_tax(TaxFacts("BE", "DE", rates=RATES, registrations=[there]), DAY)
    assert decision.note == "Seller's tax id in DE: DE136695976."
    assert decide_tax(facts_of("BE", "", "BE"), DAY).note == ""


def test_a_reverse_charge_names_the_tax_of_the_buyers_country() -> None:
    rates = {"DE": [CountryRate("USt", Decimal(19))]}
    assert decide_tax(TaxFacts("BE", "DE", TaxIdState.VERIFIED, rates=rates), DAY).name == "USt"
    assert decide_tax(TaxFacts("BE", "DE", TaxIdState.VERIFIED), DAY).name == "Tax"


@pytest.mark.parametrize("country", sorted(EU - {"BE"}))
@pytest.mark.parametrize("seller", ["BE", "CH", "GB", "US"])
def test_businesses_of_every_other_member_state_declare_the_tax_themselves(seller: str, country: str) -> None:
    assert decide_tax(facts_of(seller, "", country, "verified"), DAY).treatment is TaxTreatment.REVERSE_CHARGE


COUNTRIES = st.sampled_from(["", "BE", "DE", "FR", "MC", "US", "CH", "LI", "GB", "IM"])
FACTS = st.builds(
    TaxFacts,
    seller_country=COUNTRIES,
    buyer_country=COUNTRIES,
    tax_id=st.sampled_from(TaxIdState),
    treatment=st.sampled_from(TaxTreatment),
    percent=st.none() | st.decimals(0, 100, places=4),
    exemption_reason=st.sampled_from(["", "Embassy."]),
    unverified=st.sampled_from(UnverifiedTaxIds),
    registrations=st.lists(
        st.builds(
            Registration,
            country=st.sampled_from(["BE", "DE", "GB", "CH"]),
            scheme=st.sampled_from(TaxScheme),
            since=st.none() | st.dates(date(2026, 1, 1), date(2026, 6, 1)),
            until=st.none() | st.dates(date(2026, 6, 1), date(2026, 9, 1)),
        ),
        max_size=3,
    ),
    rates=st.sampled_from([RATES, {}, None]),
)


@given(FACTS, st.dates(date(2025, 1, 1), date(2027, 1, 1)))
def test_a_decision_taxes_or_gives_its_reason(facts: TaxFacts, day: date) -> None:
    decision = decide_tax(facts, day)
    assert decision.treatment is not TaxTreatment.AUTOMATIC
    assert bool(decision.percent) == (decision.category is TaxCategory.STANDARD)
    assert decision.percent or decision.note
    assert bool(decision.problem) == (decision.note == UNKNOWN_NOTE)
    if decision.treatment is TaxTreatment.REVERSE_CHARGE:
        assert decision.category is TaxCategory.REVERSE_CHARGE


@given(FACTS, st.dates(date(2025, 1, 1), date(2027, 1, 1)))
def test_the_table_of_days_decides_as_each_day_does(facts: TaxFacts, day: date) -> None:
    assert tax_table(facts).on(day) == decide_tax(facts, day)


@pytest.mark.parametrize("treatment", TaxTreatment)
def test_what_a_merchant_of_record_sells_bears_no_tax_of_ours_whatever_staff_decided(treatment: TaxTreatment) -> None:
    decision = decide_tax(facts_of("DE", "", "FR", merchant="Paddle", treatment=treatment, percent=Decimal(7)), DAY)
    assert (decision.treatment, decision.category, decision.percent) == (TaxTreatment.MERCHANT, "O", 0)
    assert (decision.name, decision.problem) == ("Paddle", "")
    assert decision.note.startswith("Sold by Paddle, the merchant of record.")
