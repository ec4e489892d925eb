"""Which invoice a transfer pays: by reference, by number and amount, or by amount and name. Pure.

Only what leaves no doubt is paid without a person; the rest is suggested, the best first.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from billing.banking.domain.entries import StatedEntry
from billing.domain.transfers import creditor_reference, names_number, references_in

SUGGESTIONS_MAX: Final = 5
_LEGAL_FORMS: Final = re.compile(
    r"\b(?:gmbh|mbh|ag|kg|ohg|ug|se|sa|sas|sarl|srl|sl|bv|nv|ltd|limited|inc|llc|plc|oy|ab|as|co|the)\b"
)
_LETTERS: Final = re.compile(r"[^a-z0-9]+")


class MatchedBy(StrEnum):
    """Why an invoice was found."""

    REFERENCE = "reference"
    NUMBER = "number"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class OwedInvoice:
    """An invoice that is owed, and whose it is."""

    invoice_id: UUID
    number: str
    due_minor: int
    currency: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """An invoice that the entry pays without doubt."""

    invoice_id: UUID
    by: MatchedBy


@dataclass(frozen=True, slots=True)
class Suggestion:
    """An invoice that the entry may pay, with the reasons."""

    invoice_id: UUID
    number: str
    reasons: tuple[str, ...]


class OwedInvoices:
    """All invoices that are owed, indexed for many entries."""

    def __init__(self, invoices: Sequence[OwedInvoice]) -> None:
        self._all = list(invoices)
        self._by_reference = {creditor_reference(one.number): one for one in self._all}

    def match(self, entry: StatedEntry) -> Match | None:
        """Return the invoice that the entry pays, or None if a person has to look.

        A valid reference decides alone, since the payer typed or scanned it with its check digits: the amount may be
        a part, or more. A number needs the exact amount, and so does a name, of one invoice only.
        """
        if entry.amount_minor <= 0:
            return None
        named = {self._by_reference[found] for found in references_in(entry.text) if found in self._by_reference}
        named = {one for one in named if one.currency == entry.currency}
        if len(named) == 1:
            return Match(next(iter(named)).invoice_id, MatchedBy.REFERENCE)
        if named:
            return None
        exact = [one for one in self._all if (one.due_minor, one.currency) == (entry.amount_minor, entry.currency)]
        numbered = [one for one in exact if names_number(entry.text, one.number)]
        if len(numbered) == 1:
            return Match(numbered[0].invoice_id, MatchedBy.NUMBER)
        of_payer = [one for one in exact if is_same_name(entry.payer, one.names)]
        if not numbered and len(of_payer) == 1:
            return Match(of_payer[0].invoice_id, MatchedBy.NAME)
        return None

    def forget(self, invoice_id: UUID) -> None:
        """Leave an invoice out from now on, since an entry has paid it."""
        self._all = [one for one in self._all if one.invoice_id != invoice_id]
        self._by_reference = {creditor_reference(one.number): one for one in self._all}

    def suggest(self, entry: StatedEntry) -> list[Suggestion]:
        """Return what a person should look at first."""
        found = []
        for one in self._all:
            if one.currency != entry.currency:
                continue
            reasons = []
            if names_number(entry.text, one.number):
                reasons.append("its number")
            if is_same_name(entry.payer, one.names):
                reasons.append("the payer's name")
            if one.due_minor == entry.amount_minor:
                reasons.append("the amount")
            if reasons:
                found.append(Suggestion(one.invoice_id, one.number, tuple(reasons)))
        found.sort(key=lambda one: (-len(one.reasons), one.number))
        return found[:SUGGESTIONS_MAX]


def is_same_name(payer: str, names: Sequence[str]) -> bool:
    """Return whether the payer has one of the names, apart from case, accents, signs and legal forms."""
    wanted = _plain_name(payer)
    return bool(wanted) and any(wanted == _plain_name(name) for name in names)


def _plain_name(name: str) -> str:
    decomposed = unicodedata.normalize("NFKD", name.casefold().replace("ß", "ss"))
    letters = "".join(character for character in decomposed if not unicodedata.combining(character))
    return _LETTERS.sub("", _LEGAL_FORMS.sub(" ", letters))
