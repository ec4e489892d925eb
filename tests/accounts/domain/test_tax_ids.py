"""Tax ids: formats and check digits, with one real id for each country whose digits can be checked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.domain.tax_ids import EU, clean_tax_id, is_tax_id, tax_country

# Published by their owners: companies, or examples of the authorities.
REAL = {
    "AT": "ATU13585627", "BE": "BE0403019261", "BG": "BG175074752", "CH": "CHE107787577MWST", "CY": "CY10259033P",
    "CZ": "CZ25123891", "DE": "DE136695976", "DK": "DK13585628", "EE": "EE100931558", "ES": "ESB58378431",
    "FI": "FI20774740", "FR": "FR40303265045", "GB": "GB980780684", "GR": "EL094259216", "HR": "HR33392005961",
    "HU": "HU12892312", "IE": "IE6388047V", "IT": "IT00743110157", "LT": "LT119511515", "LU": "LU15027442",
    "LV": "LV40003521600", "MT": "MT11679112", "NL": "NL004495445B01", "NO": "NO974760673", "PL": "PL8567346215",
    "PT": "PT501964843", "RO": "RO18547290", "SE": "SE556188840401", "SI": "SI50223054", "SK": "SK2022749619",
}  # fmt: skip


def test_every_member_state_has_a_check_of_its_tax_ids() -> None:
    assert set(REAL) == EU | {"CH", "GB", "NO"}


@pytest.mark.parametrize("country", sorted(REAL))
def test_a_real_tax_id_is_taken_and_one_with_a_wrong_digit_is_not(country: str) -> None:
    real = REAL[country]
    assert is_tax_id(real, country)
    place = max(place for place, sign in enumerate(real[:11]) if sign.isdigit())
    wrong = [f"{real[:place]}{digit}{real[place + 1 :]}" for digit in "0123456789" if digit != real[place]]
    assert [text for text in wrong if is_tax_id(text, country)] == []


@pytest.mark.parametrize("country", sorted(REAL))
def test_a_tax_id_of_zeros_is_refused(country: str) -> None:
    zeros = "".join("0" if sign.isdigit() else sign for sign in REAL[country])
    assert not is_tax_id(zeros, country)


@pytest.mark.parametrize(
    ("text", "country", "is_taken"),
    [
        ("DE000000000", "DE", False),
        ("FR00000000000", "FR", False),
        ("NONE1234", "US", True),
        ("NONE1234", "DE", False),
        ("136695976", "DE", False),
        ("CHE107787577", "CH", True),
        ("CHE107787578", "CH", False),
        ("974760673MVA", "NO", True),
        ("XI980780684", "GB", True),
        ("GBGD001", "GB", True),
        ("FR40303265045", "MC", True),
        ("CHE107787577", "LI", True),
        ("!", "US", False),
        ("DE\u0661\u0663\u0666\u0666\u0669\u0665\u0669\u0667\u0666", "DE", False),
    ],
)
def test_tax_ids_are_checked_by_the_rules_of_their_country(text: str, country: str, is_taken: bool) -> None:
    assert is_tax_id(text, country) is is_taken


def test_separators_and_small_letters_in_a_tax_id_are_ignored() -> None:
    assert clean_tax_id(" be 0403.019-261/") == "BE0403019261"


def test_a_territory_has_the_tax_of_another_country() -> None:
    assert [tax_country(country) for country in ("MC", "IM", "LI", "DE", "")] == ["FR", "GB", "CH", "DE", ""]


@given(st.text(alphabet="0123456789ABCDEFKLUXYZ+*", max_size=14), st.sampled_from([*sorted(REAL), "US", ""]))
def test_any_text_is_a_tax_id_or_refused(text: str, country: str) -> None:
    assert is_tax_id(f"{country}{text}", country) in {True, False}
