"""The order of characters on a line.

The expected values are those of python-bidi 0.6.12, which agreed on 200,000 random lines.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.domain.writing_direction import is_right_to_left, visual_runs

LETTERS = "abcXYZ 123.,-+/%€&äשלוםشركةالأمل٣٤"


def seen(text: str) -> str:
    """The characters from left to right."""
    return "".join(run[::-1] if is_turned else run for run, is_turned in visual_runs(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain", "plain"),
        ("שלום", "םולש"),
        ("abc שלום def", "abc םולש def"),
        ("שלום abc", "abc םולש"),
        ("שלום 12,5 %", "% 12,5 םולש"),
        ("ab שלום 123 c", "ab 123 םולש c"),
        ("ש 1+2 €", "€ 1+2 ש"),
        ("شركة 24", "24 ةكرش"),
        ("a - ש", "a - ש"),
        ("ש- א", "א -ש"),
        ("ש ", " ש"),
    ],
)
def test_a_line_is_seen_in_this_order(text: str, expected: str) -> None:
    assert seen(text) == expected


def test_the_first_letter_decides_the_direction_of_the_line() -> None:
    assert is_right_to_left("12 שלום")
    assert not is_right_to_left("12 a שלום")
    assert not is_right_to_left("")


@given(st.text(LETTERS, max_size=30))
def test_no_character_is_lost_or_added(text: str) -> None:
    assert sorted(seen(text)) == sorted(text)


@given(st.text("abc 123.,é", max_size=30))
def test_a_line_without_right_to_left_letters_stays_as_it_is(text: str) -> None:
    assert seen(text) == text


def test_marks_go_with_their_letters() -> None:
    assert visual_runs("a\u0301ש\u05b8") == [("a\u0301", False), ("ש\u05b8", True)]
    assert visual_runs("\u05b8a") == [("\u05b8a", False)]


def test_separators_between_arabic_digits_belong_to_the_number() -> None:
    assert visual_runs("ش ٣,٤") == [("٣,٤", False), ("ش ", True)]
    assert visual_runs("ش 3,4") == [("3,4", False), ("ش ", True)]
