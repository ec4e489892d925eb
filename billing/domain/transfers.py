"""Paying by bank transfer: the structured reference of an invoice, the seller's account, and the code to scan. Pure.

The reference is a creditor reference of ISO 11649 (`RF` and two check digits), made from the invoice's number, so that
it need not be stored. Banks and banking apps check its digits. Sources: ISO 11649:2009; EPC069-12, version 2.1.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from stdnum import iban as iban_numbers
from stdnum import iso11649
from stdnum.exceptions import ValidationError
from stdnum.iso7064 import mod_97_10

from billing.domain.money import to_major

_BODY_CHARACTERS_MAX: Final = 21
_SEPARATORS: Final = re.compile(r"[^0-9A-Z]")
_REFERENCE: Final = re.compile(r"RF\d\d[0-9A-Z]{1,21}")
_IBAN: Final = re.compile(r"[A-Z]{2}\d{2}[0-9A-Z ]{11,40}")
_BIC: Final = re.compile(r"\b[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?\b")
# What an EPC code can be over: 0.01 to 999,999,999.99 EUR, and a name of at most 70 characters.
_CODE_MINOR_MAX: Final = 99_999_999_999
_NAME_CHARACTERS_MAX: Final = 70
_CODE_CURRENCY: Final = "EUR"


@dataclass(frozen=True, slots=True)
class BankAccount:
    """An account by its IBAN without blanks, and its BIC if one is known."""

    iban: str
    bic: str = ""


@dataclass(frozen=True, slots=True)
class TransferCode:
    """What the EPC code of a transfer says."""

    name: str
    account: BankAccount
    amount: str
    reference: str


def creditor_reference(number: str) -> str:
    """Return the reference of an invoice, as in RF51INV2026000007: `RF`, two check digits, and its number.

    Of a number that is too long, the last 21 letters and digits are taken.
    """
    body = _SEPARATORS.sub("", number.upper())[-_BODY_CHARACTERS_MAX:]
    assert body, "an invoice's number has a letter or a digit"
    return f"RF{mod_97_10.calc_check_digits(f'{body}RF')}{body}"


def printed_reference(reference: str) -> str:
    """Return a reference in groups of four, as it is printed."""
    return str(iso11649.format(reference))


def references_in(text: str) -> Iterator[str]:
    """Yield each valid reference in what a payer wrote, whatever blanks and hyphens are in it, the longest first.

    Text may go on behind a reference, so each shorter one is tried as well: the check digits decide.
    """
    joined = _SEPARATORS.sub("", text.upper())
    for start in (found.start() for found in re.finditer(r"(?=RF\d\d)", joined)):
        longest = _REFERENCE.match(joined, start)
        whole = longest[0] if longest else ""
        for end in range(len(whole), len("RF000") - 1, -1):
            if iso11649.is_valid(whole[:end]):
                yield whole[:end]


def names_number(text: str, number: str) -> bool:
    """Return whether a payer's text has an invoice's number, whatever blanks and hyphens are in it."""
    wanted = _SEPARATORS.sub("", number.upper())
    begins = r"(?<!\d)" if wanted[:1].isdigit() else ""
    return re.search(begins + "[^0-9A-Z]*".join(wanted) + r"(?!\d)", text.upper()) is not None


def account_in(text: str) -> BankAccount | None:
    """Return the first valid IBAN in the seller's own words about its account, with its BIC, or None."""
    for line in text.upper().splitlines():
        for found in _IBAN.finditer(line):
            compact = found[0].replace(" ", "")
            for end in range(len(compact), 14, -1):
                if _is_iban(compact[:end]):
                    named = (one[0] for one in _BIC.finditer(text.upper()))
                    bic = next((one for one in named if one[4:6] == compact[:2]), "")
                    return BankAccount(compact[:end], bic)
    return None


def _is_iban(text: str) -> bool:
    try:
        iban_numbers.validate(text, check_country=False)  # a list of banks may be older than the bank
    except ValidationError:
        return False
    return True


def transfer_code(
    *, name: str, bank_account: str, amount_minor: int, currency: str, number: str
) -> TransferCode | None:
    """Return what the code of an invoice says; None if it is not in euros or the seller has no IBAN."""
    account = account_in(bank_account)
    if account is None or currency != _CODE_CURRENCY or not 0 < amount_minor <= _CODE_MINOR_MAX:
        return None
    amount = f"{to_major(amount_minor, currency):.2f}"
    return TransferCode(name[:_NAME_CHARACTERS_MAX].strip(), account, amount, creditor_reference(number))
