"""Terms of a price: written terms are read again, and any input is read or refused with a pointer."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.errors import FieldError, InvalidFieldsError
from billing.domain.prices import (
    MODEL_OF,
    TIERS_MAX,
    Flat,
    Graduated,
    Package,
    PerUnit,
    PriceModel,
    PriceTerms,
    Tier,
    Volume,
    read_terms,
    write_terms,
)
from tests.billing.domain.amounts import TERMS

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["1", "0", "1.5", "-1", "1e9"]),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=5), children, max_size=4),
    max_leaves=10,
)
NAMES = st.sampled_from(
    ["amount", "unit_amount", "tiers", "up_to", "flat_amount", "package_size", "package_amount", "charge_flat_at_zero"]
)
TIER = st.dictionaries(NAMES | st.text(max_size=3), JSON, max_size=4)
HOSTILE = st.dictionaries(NAMES | st.text(max_size=3), JSON | st.lists(TIER, max_size=4), max_size=4)


def refusals(model: str, given_terms: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(InvalidFieldsError) as refused:
        read_terms(model, given_terms)
    assert all(error.detail for error in refused.value.field_errors)
    return [(error.pointer, error.code) for error in refused.value.field_errors]


def tier(**fields: object) -> dict[str, object]:
    return {"up_to": None, "unit_amount": "1"} | fields


@given(TERMS)
def test_terms_read_back_as_they_were_written(terms: PriceTerms) -> None:
    model = MODEL_OF[type(terms)]
    assert read_terms(model, write_terms(terms)) == terms
    assert write_terms(read_terms(model, write_terms(terms))) == write_terms(terms)


def test_terms_are_written_in_one_spelling() -> None:
    written = [write_terms(read_terms("flat", {"amount": text})) for text in ("1.50", "01.5", "1.500000000000")]
    assert written == [{"amount": "1.5"}] * 3


@pytest.mark.parametrize(
    ("model", "given_terms", "terms"),
    [
        ("flat", {"amount": "49"}, Flat(Decimal(49))),
        ("per_unit", {"unit_amount": "0.000000000001"}, PerUnit(Decimal("0.000000000001"))),
        ("package", {"package_size": "1000", "package_amount": "2.5"}, Package(Decimal(1000), Decimal("2.5"))),
        ("graduated", {"tiers": [tier()]}, Graduated((Tier(None, Decimal(1)),))),
        (
            "volume",
            {"tiers": [tier(up_to="0.5", flat_amount="3"), tier()]},
            Volume((Tier(Decimal("0.5"), Decimal(1), Decimal(3)), Tier(None, Decimal(1)))),
        ),
        (
            "graduated",
            {"tiers": [tier()], "charge_flat_at_zero": True},
            Graduated((Tier(None, Decimal(1)),), charges_flat_at_zero=True),
        ),
        ("volume", {"tiers": [tier()], "charge_flat_at_zero": False}, Volume((Tier(None, Decimal(1)),))),
    ],
)
def test_each_model_has_its_terms(model: str, given_terms: dict[str, Any], terms: PriceTerms) -> None:
    assert read_terms(model, given_terms) == terms


@pytest.mark.parametrize(
    "value", [None, 1, 1.5, True, "", " 1", "1 ", "-1", "+1", "1e3", "1,5", ".5", "5.", "NaN", "Infinity", "٣",
     "1" * 13,
              "0." + "1" * 13, [], {}, "1\n", "1\x00"]
)  # fmt: skip
def test_a_rate_is_a_plain_decimal_in_text(value: object) -> None:
    assert refusals("flat", {"amount": value}) == [("/terms/amount", "invalid_rate")]


@pytest.mark.parametrize("value", [None, 1000, "0", "0.000000000", "-1", "1e3", "1" * 21, "0.0000000001", "1\n"])
def test_a_package_has_a_size(value: object) -> None:
    given_terms = {"package_size": value, "package_amount": "1"}
    assert refusals("package", given_terms) == [("/terms/package_size", "invalid_package_size")]


@pytest.mark.parametrize("model", ["graduated", "volume"])
@pytest.mark.parametrize(
    ("tiers", "refused"),
    [
        (None, [("/terms/tiers", "invalid_tiers")]),
        ("tiers", [("/terms/tiers", "invalid_tiers")]),
        ({}, [("/terms/tiers", "invalid_tiers")]),
        ([], [("/terms/tiers", "invalid_tiers")]),
        ([tier()] * (TIERS_MAX + 1), [("/terms/tiers", "invalid_tiers")]),
        ([1], [("/terms/tiers/0", "invalid_tier")]),
        ([{}], [("/terms/tiers/0/unit_amount", "invalid_rate")]),
        ([tier(up_to="1")], [("/terms/tiers/0/up_to", "last_tier_open")]),
        ([tier(up_to=1)], [("/terms/tiers/0/up_to", "invalid_up_to")]),
        ([tier(up_to="0"), tier()],
         [("/terms/tiers/0/up_to", "invalid_up_to"), ("/terms/tiers/0/up_to", "tier_without_end")]),
        ([tier(), tier()], [("/terms/tiers/0/up_to", "tier_without_end")]),
        ([tier(up_to="2"), tier(up_to="2"), tier()], [("/terms/tiers/1/up_to", "tiers_unordered")]),
        ([tier(up_to="2"), tier(up_to="1"), tier()], [("/terms/tiers/1/up_to", "tiers_unordered")]),
        ([tier(unit_amount="x")], [("/terms/tiers/0/unit_amount", "invalid_rate")]),
        ([tier(flat_amount=-1)], [("/terms/tiers/0/flat_amount", "invalid_rate")]),
        ([tier(colour="red")], [("/terms/tiers/0/colour", "unknown_field")]),
    ],
)  # fmt: skip
def test_tiers_go_up_and_the_last_has_no_end(model: str, tiers: object, refused: list[tuple[str, str]]) -> None:
    assert refusals(model, {"tiers": tiers}) == refused


@pytest.mark.parametrize("value", [None, 1, 0, "true", "", [], {}])
def test_a_choice_about_zero_is_true_or_false(value: object) -> None:
    refused = [("/terms/charge_flat_at_zero", "invalid_charge_flat_at_zero")]
    assert refusals("graduated", {"tiers": [tier()], "charge_flat_at_zero": value}) == refused
    assert refusals("flat", {"amount": "1", "charge_flat_at_zero": True}) == [
        ("/terms/charge_flat_at_zero", "unknown_field")
    ]


def test_terms_without_the_choice_about_zero_are_written_as_before_there_was_one() -> None:
    written = write_terms(Graduated((Tier(None, Decimal(1)),)))
    assert written == {"tiers": [{"up_to": None, "unit_amount": "1", "flat_amount": "0"}]}
    assert write_terms(Volume((Tier(None, Decimal(1)),), charges_flat_at_zero=True))["charge_flat_at_zero"] is True


def test_terms_of_another_model_are_refused() -> None:
    refused = refusals("flat", {"amount": "1", "unit_amount": "1", "tiers": []})
    assert refused == [("/terms/tiers", "unknown_field"), ("/terms/unit_amount", "unknown_field")]


def test_an_unknown_price_model_is_refused() -> None:
    assert refusals("auction", {"amount": "1"}) == [("/terms", "invalid_model")]


def test_a_refused_term_is_named_by_its_pointer_in_the_whole_body() -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        read_terms("flat", {}, pointer="/prices/3/terms")
    assert [error.pointer for error in refused.value.field_errors] == ["/prices/3/terms/amount"]


@given(st.sampled_from(PriceModel) | st.text(max_size=5), HOSTILE)
def test_any_input_is_read_or_refused_with_a_pointer(model: str, given_terms: dict[str, Any]) -> None:
    refused: tuple[FieldError, ...] = ()
    try:
        terms = read_terms(model, given_terms)
    except InvalidFieldsError as error:
        refused = error.field_errors
    if refused:
        assert all(refusal.pointer.startswith("/terms") for refusal in refused)
    else:
        assert read_terms(model, write_terms(terms)) == terms
