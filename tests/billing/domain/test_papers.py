"""What receipts and statements of account say."""

from datetime import date

from billing.domain.papers import (
    PaidPart,
    PaperHeading,
    ReceivedPayment,
    entry_words,
    receipt_content,
    statement_content,
)

HEADING = PaperHeading(date(2026, 3, 20), {"legal_name": "Seller BV"}, {"name": "Acme"}, "de")
TRANSFER = ReceivedPayment(
    "R 4711", date(2026, 3, 10), "Bank transfer", "EUR", 10000, 1000,
    [PaidPart("INV-2026-000001", 4900, 4900), PaidPart("INV-2026-000002", 2000, 4900)],
)  # fmt: skip


def test_a_receipt_says_what_the_payment_pays_and_what_is_left_of_it() -> None:
    content = receipt_content(HEADING, TRANSFER)
    assert (content["kind"], content["number"], content["language"]) == ("receipt", "R 4711", "de")
    assert content["pays"] == [
        {"number": "INV-2026-000001", "amount_minor": 4900, "total_minor": 4900},
        {"number": "INV-2026-000002", "amount_minor": 2000, "total_minor": 4900},
    ]
    assert (content["amount_minor"], content["refunded_minor"], content["unallocated_minor"]) == (10000, 1000, 2100)
    assert "logo" not in content


def test_a_statement_names_its_last_day() -> None:
    content = statement_content(HEADING, first=date(2026, 1, 1), end=date(2026, 4, 1), accounts=[{"currency": "EUR"}])
    assert content["period"] == {"first_day": "2026-01-01", "last_day": "2026-03-31"}
    assert content["accounts"] == [{"currency": "EUR"}]


def test_each_kind_of_entry_has_words() -> None:
    assert entry_words("void") == "Invoice declared void"
    assert entry_words("set_off") == "Set off"
