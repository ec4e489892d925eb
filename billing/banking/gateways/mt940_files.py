"""Statements by SWIFT's MT940, parsed by mt-940, with the German structure of the field 86."""

from datetime import date
from decimal import Decimal
from typing import Any

import mt940

from billing.banking.domain.entries import NAME_CHARACTERS_MAX, TEXT_CHARACTERS_MAX, StatedEntry
from billing.banking.errors import StatementError
from billing.domain.money import is_whole_minor, round_to_minor

# What the parser raises for a text that only looks like a statement.
_UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError)


def read_mt940(text: str) -> list[StatedEntry]:
    """Return the entries of an MT940 file. Raises `StatementError`."""
    try:
        parsed = mt940.parse(text)
        rows = [dict(row.data) for row in parsed]
        account = str(parsed.data.get("account_identification") or "")
    except _UNREADABLE as error:
        raise StatementError(f"The MT940 file is damaged: {type(error).__name__}.") from error
    return [_entry(row, account) for row in rows if row.get("amount") is not None]


def _entry(row: dict[str, Any], account: str) -> StatedEntry:
    amount = row["amount"]
    exact, currency = Decimal(amount.amount), str(amount.currency or row.get("currency") or "")
    booked_on = row.get("entry_date") or row.get("date")
    if not isinstance(booked_on, date):
        raise StatementError("An entry has no day.")
    booked_on = date(booked_on.year, booked_on.month, booked_on.day)
    if len(currency) != len("EUR") or not is_whole_minor(exact, currency):
        raise StatementError(f"The entry booked on {booked_on} is over {exact} {currency}, which is no amount.")
    # A reversal of a credit is money that goes out again.
    is_reversed = str(row.get("status") or "").startswith("R")
    minor = round_to_minor(abs(exact), currency)
    is_incoming = (exact > 0) != is_reversed if is_reversed else exact > 0
    parts = [row.get(name) for name in ("purpose", "additional_purpose", "end_to_end_reference", "customer_reference")]
    if not row.get("purpose"):
        parts.append(row.get("transaction_details"))
    words = " ".join(" ".join(str(part).split()) for part in parts if part)
    return StatedEntry(
        booked_on=booked_on,
        amount_minor=minor if is_incoming else -minor,
        currency=currency,
        text=words[:TEXT_CHARACTERS_MAX],
        payer=" ".join(str(row.get("applicant_name") or "").split())[:NAME_CHARACTERS_MAX],
        payer_account=str(row.get("applicant_iban") or "")[:34],
        account=account[:40],
        bank_reference=str(row.get("bank_reference") or "")[:60],
    )
