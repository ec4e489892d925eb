"""References of ISO 11649, accounts in a seller's words, and what the code of a transfer says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import iso11649

from billing.domain.transfers import (
    BankAccount,
    account_in,
    creditor_reference,
    names_number,
    printed_reference,
    references_in,
    transfer_code,
)

ACCOUNT = "IBAN DE89 3704 0044 0532 0130 00\nBIC COBADEFFXXX"


def test_a_reference_has_the_invoices_number_and_valid_check_digits() -> None:
    reference = creditor_reference("INV-2026-000007")
    assert reference == "RF29INV2026000007"
    assert printed_reference(reference) == "RF29 INV2 0260 0000 7"
    assert len(creditor_reference("A" * 40)) == 25


@given(st.from_regex(r"[A-Z]{1,10}-20[0-9]{2}-[0-9]{6}", fullmatch=True), st.sampled_from(["", "danke ", "Nr. 12 "]))
def test_every_reference_is_valid_and_found_again_in_what_a_payer_writes(number: str, before: str) -> None:
    reference = creditor_reference(number)
    assert iso11649.is_valid(reference)
    written = f"{before}{printed_reference(reference).lower()}, thanks"
    assert reference in list(references_in(written))


def test_a_mistyped_reference_is_none_and_a_number_is_found_only_whole() -> None:
    assert "RF29INV2026000008" not in list(references_in("RF29INV2026000008"))
    assert list(references_in("no reference here")) == []
    assert names_number("Rechnung INV 2026-000007 vom 1.3.", "INV-2026-000007")
    assert not names_number("INV-2026-0000071", "INV-2026-000007")


@pytest.mark.parametrize(
    ("text", "account"),
    [
        (ACCOUNT, BankAccount("DE89370400440532013000", "COBADEFFXXX")),
        ("Our bank: DE89370400440532013000", BankAccount("DE89370400440532013000")),
        ("DE89 3704 0044 0532 0130 00 BIC: COBADEFF", BankAccount("DE89370400440532013000", "COBADEFF")),
        ("IBAN BE68 5390 0754 7034\nBIC TRIOBEBB", BankAccount("BE68539007547034", "TRIOBEBB")),
        ("IBAN BE68 5390 0754 7034 BIC TRIOBEBB", BankAccount("BE68539007547034", "TRIOBEBB")),
        ("DE88 3704 0044 0532 0130 00", None),
        ("Account 12345, Sort code 10-20-30", None),
        ("", None),
    ],
)
def test_the_first_valid_iban_of_the_sellers_words_is_its_account(text: str, account: BankAccount | None) -> None:
    assert account_in(text) == account


def test_a_code_needs_euros_an_amount_and_an_account() -> None:
    facts = {
        "name": "Seller & Sons",
        "bank_account": ACCOUNT,
        "amount_minor": 24079,
        "currency": "EUR",
        "number": "INV-1",
    }
    code = transfer_code(**facts)
    assert code is not None
    assert (code.amount, code.reference, code.account.bic) == ("240.79", creditor_reference("INV-1"), "COBADEFFXXX")
    for changed in ({"currency": "USD"}, {"amount_minor": 0}, {"amount_minor": 10**12}, {"bank_account": "cash"}):
        assert transfer_code(**(facts | changed)) is None
