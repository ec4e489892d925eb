"""The terms that a customer enters."""

from datetime import timedelta

import pytest

from accounts.errors import InvalidFieldsError
from accounts.webhooks.domain.terms import checked_description, checked_grace, checked_url


def test_a_hostile_url_is_an_error_of_its_field_with_the_contracts_code() -> None:
    with pytest.raises(InvalidFieldsError) as caught:
        checked_url("http://10.0.0.1/", ())
    assert caught.value.code == "invalid_url"
    assert [(error.pointer, error.code) for error in caught.value.field_errors] == [("/url", "invalid_url")]


@pytest.mark.parametrize("text", ["two\nlines", "x" * 201, "\u202etxet"])
def test_a_description_is_one_short_line(text: str) -> None:
    with pytest.raises(InvalidFieldsError):
        checked_description(text)
    assert checked_description("  Books  ") == "Books"


@pytest.mark.parametrize("grace", [timedelta(seconds=-1), timedelta(days=31)])
def test_a_grace_is_from_nothing_to_thirty_days(grace: timedelta) -> None:
    with pytest.raises(InvalidFieldsError):
        checked_grace(grace)
    assert checked_grace(timedelta(0)) == timedelta(0)
