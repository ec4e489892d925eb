"""Entries of bank statements as values, each with a key by which it is known again in a later statement. Pure."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

TEXT_CHARACTERS_MAX = 1000
NAME_CHARACTERS_MAX = 140


class StatementFormat(StrEnum):
    """The formats of statements that can be read."""

    CAMT_053 = "camt.053"
    MT940 = "MT940"
    CSV = "CSV"


@dataclass(frozen=True, slots=True)
class StatedEntry:
    """An entry as the bank states it. Money that came in is above 0, money that went out below.

    `account` is the seller's IBAN or number, if the file has it; `bank_reference` the bank's id of the entry, if any.
    """

    booked_on: date
    amount_minor: int
    currency: str
    text: str = ""
    payer: str = ""
    payer_account: str = ""
    account: str = ""
    bank_reference: str = ""


@dataclass(frozen=True, slots=True)
class KeyedEntry:
    """An entry with its key: the same entry in an overlapping statement has the same one."""

    key: str
    entry: StatedEntry


def with_keys(entries: Iterable[StatedEntry]) -> list[KeyedEntry]:
    """Return the entries with their keys. Of entries that are equal in all, each has a key of its own by its order."""
    seen: Counter[str] = Counter()
    keyed = []
    for entry in entries:
        facts = "|".join(
            (
                entry.account, entry.booked_on.isoformat(), str(entry.amount_minor), entry.currency,
                entry.bank_reference, entry.payer_account, " ".join(entry.text.split()),
            )
        )  # fmt: skip
        seen[facts] += 1
        digest = hashlib.sha256(f"{facts}|{seen[facts]}".encode()).hexdigest()
        keyed.append(KeyedEntry(digest[:40], entry))
    return keyed
