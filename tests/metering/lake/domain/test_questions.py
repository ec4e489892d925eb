"""What can be a query."""

import pytest

from metering.lake.domain.questions import QUERY_CHARACTERS_MAX, require_query
from metering.lake.errors import InvalidSqlError


@pytest.mark.parametrize("query", ["", " \n", "x" * (QUERY_CHARACTERS_MAX + 1), "SELECT '\0'"])
def test_what_cannot_be_a_query_is_refused(query: str) -> None:
    with pytest.raises(InvalidSqlError):
        require_query(query)


def test_a_query_is_kept_as_it_is() -> None:
    assert require_query(" SELECT 1 -- one") == " SELECT 1 -- one"
