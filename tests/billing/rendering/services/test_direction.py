"""The order of characters on a line: examples of Unicode Standard Annex 9, and names as customers write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.rendering.services.direction import isolated, seen_from_the_left, visual_runs

# As in the annex: capitals are letters that are read from the right.
_HEBREW = {ord("A") + number: 0x5D0 + number for number in range(26)}
_LATIN = {hebrew: latin for latin, hebrew in _HEBREW.items()}
LETTERS = "abcXYZ 123.,-+/%€&äשלוםشركةالأمل٣٤()[]<>«»"


# "I want", with an invisible joiner.
PERSIAN = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"


def seen(text: str) -> str:
    return seen_from_the_left(text.translate(_HEBREW)).translate(_LATIN)


@pytest.mark.parametrize(
    ("stored", "displayed"),
    [
        # N0 of the annex.
        ("smith (fabrikam ARABIC) HEBREW", "smith (fabrikam CIBARA) WERBEH"),
        ("ARABIC (fabrikam) smith", "smith (fabrikam) CIBARA"),
        ("ARABIC book(s)", "book(s) CIBARA"),
        # 3.4 and 5 of the annex.
        ("car is THE CAR in arabic", "car is RAC EHT in arabic"),
        ("he said THE VALUES ARE 123, 456, 789, OK", "he said KO ,789 ,456 ,123 ERA SEULAV EHT"),
        # A hyphen and a fraction go with their numbers.
        ("COST 12,5 %", "% 12,5 TSOC"),
        ("a - B", "a - B"),
        # Brackets of names.
        ("LTD (123)", "(123) DTL"),
        ("acme (B 123 ltd)", "acme (123 B ltd)"),
        ("B (123 ltd)", "(ltd 123) B"),
        ("A(B)", "(B)A"),
        ("(A)", "(A)"),
        ("((A)) [b] <C>", "<C> [b] ((A))"),
        ("a [B] c", "a [B] c"),
        ("A ( B", "B ) A"),
        ("plain (a)", "plain (a)"),
        ("", ""),
    ],
)  # fmt: skip
def test_the_order_of_characters_is_as_the_annex_says(stored: str, displayed: str) -> None:
    assert seen(stored) == displayed


def test_right_to_left_names_are_read_as_their_owners_write_them() -> None:
    assert seen_from_the_left('שלום בע"מ (2024) LTD') == 'LTD (2024) מ"עב םולש'
    assert seen_from_the_left("شركة الأمل (24) ltd") == "ltd (24) لمألا ةكرش"
    assert seen_from_the_left("ش ٣,٤") == "٣,٤ ش"


def test_text_runs_are_in_reading_order() -> None:
    assert visual_runs("Acme (שלום) 1") == [("Acme (", False), ("שלום", True), (") 1", False)]
    assert visual_runs("a\u0301ש\u05b8") == [("a\u0301", False), ("ש\u05b8", True)]
    assert visual_runs(PERSIAN) == [(PERSIAN, True)]
    assert visual_runs("plain") == [("plain", False)]
    assert visual_runs("") == []


def test_a_name_in_a_line_is_read_as_it_is_alone() -> None:
    name = "שלום (12) LTD"
    assert seen_from_the_left(f"{isolated(name)} · Tax ID 7") == f"{seen_from_the_left(name)} · Tax ID 7"
    assert isolated("Acme") == "Acme"


def test_a_text_that_has_our_mark_already_is_not_confused_by_it() -> None:
    assert seen_from_the_left("(\u1dffש)") == "(ש)"


@given(st.text(LETTERS, max_size=30))
def test_no_character_is_lost_or_added(text: str) -> None:
    turned = str.maketrans("([<«", ")]>»")
    assert sorted(seen_from_the_left(text).translate(turned)) == sorted(text.translate(turned))
    assert "".join(sorted("".join(run for run, _ in visual_runs(text)))) == "".join(sorted(seen_from_the_left(text)))


@given(st.text("abc 123.,é()[]", max_size=30))
def test_a_line_without_right_to_left_letters_is_unchanged(text: str) -> None:
    assert seen_from_the_left(text) == text
