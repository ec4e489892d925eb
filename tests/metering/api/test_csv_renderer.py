import csv
import io
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering.api.csv_renderer import cell, write_csv


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1+A1",
        "@SUM(A1)",
        "\tx",
        "\rx",
        "\nx",
        "\n=1",
        " =1+1",
        "\N{NO-BREAK SPACE}=1",
        "\ufeff=1",
        "\u200b@x",
        "\N{FULLWIDTH EQUALS SIGN}1",
        "\N{FULLWIDTH PLUS SIGN}1",
        "\N{FULLWIDTH HYPHEN-MINUS}1",
        "\N{FULLWIDTH COMMERCIAL AT}x",
        " \N{FULLWIDTH EQUALS SIGN}1",
        "-1\n",
        "\N{MINUS SIGN}1",
    ],
)
def test_a_csv_cell_that_would_run_as_a_formula_is_quoted(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-1", "-1.50", "-0", "12", "a=1", "", " ", "1-2", "'=1"])
def test_numbers_and_harmless_text_in_csv_are_unchanged(text: str) -> None:
    assert cell(text) == text


def test_numbers_times_and_null_are_the_same_in_csv_as_in_json() -> None:
    assert [
        cell(value) for value in (Decimal("-2.50"), datetime(2026, 3, 1, tzinfo=UTC), date(2026, 3, 1), None, 7)
    ] == [
        "-2.5",
        "2026-03-01T00:00:00Z",
        "2026-03-01",
        "",
        "7",
    ]


@given(
    st.lists(
        st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), min_size=2, max_size=2), max_size=5
    )
)
def test_a_csv_reader_gets_back_every_cell(rows: list[list[str]]) -> None:
    text = write_csv(("a", "=b"), rows).decode()
    read = list(csv.reader(io.StringIO(text, newline="")))
    assert read == [["a", "'=b"], *([cell(value) for value in row] for row in rows)]
