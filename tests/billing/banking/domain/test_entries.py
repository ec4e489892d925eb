"""The key of an entry: the same in an overlapping statement, and another for an equal entry of the same file."""

from datetime import date

from billing.banking.domain.entries import StatedEntry, with_keys

ENTRY = StatedEntry(date(2026, 3, 10), 4900, "EUR", "thanks", "Acme")


def test_an_entry_has_one_key_and_two_equal_ones_have_two() -> None:
    first = with_keys([ENTRY])
    again = with_keys([ENTRY, ENTRY])
    assert again[0].key == first[0].key
    assert again[1].key != first[0].key
    other = StatedEntry(date(2026, 3, 10), 4901, "EUR", "thanks", "Acme")
    assert with_keys([other])[0].key != first[0].key
