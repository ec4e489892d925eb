"""Statements as CSV, by the names of their columns in English, German, French and Spanish."""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from io import StringIO
from typing import Final

from billing.banking.domain.entries import NAME_CHARACTERS_MAX, TEXT_CHARACTERS_MAX, StatedEntry
from billing.banking.errors import StatementError
from billing.domain.money import is_whole_minor, round_to_minor

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "booked_on": (
        "date", "booking date", "booked on", "buchungstag", "buchungsdatum", "date de comptabilisation", "fecha",
    ),
    "amount": ("amount", "betrag", "umsatz", "montant", "importe"),
    "currency": ("currency", "waehrung", "wahrung", "devise", "moneda"),
    "text": (
        "text", "purpose", "remittance information", "description", "verwendungszweck", "libelle", "motif", "concepto",
    ),
    "payer": (
        "name", "payer", "counterparty", "beguenstigter/zahlungspflichtiger", "auftraggeber/empfanger",
        "zahlungspflichtiger", "nom", "ordenante",
    ),
    "payer_account": ("iban", "payer iban", "kontonummer/iban", "iban zahlungsbeteiligter"),
    "bank_reference": ("reference", "bank reference", "referenz", "id"),
    "account": ("account", "auftragskonto", "konto", "compte", "cuenta"),
}  # fmt: skip
REQUIRED: Final = ("booked_on", "amount")
_DELIMITERS: Final = ";,\t"
_DAYS: Final = ("%Y-%m-%d", "%d.%m.%Y", "%d.%m.%y", "%d/%m/%Y")
_ACCENTS: Final = str.maketrans("äöüéèñ", "aoueen")
_LINES_BEFORE_HEAD: Final = 20


def read_csv(text: str) -> list[StatedEntry]:
    """Return the entries of a CSV file whose first lines name the columns. Raises `StatementError`."""
    lines = text.splitlines()
    for position, line in enumerate(lines[:_LINES_BEFORE_HEAD]):
        delimiter = max(_DELIMITERS, key=line.count)
        places = _places(next(csv.reader([line], delimiter=delimiter), []))
        if all(name in places for name in REQUIRED):
            rows = csv.reader(StringIO("\n".join(lines[position + 1 :])), delimiter=delimiter, strict=False)
            return _entries(rows, places, position + 2)
    raise StatementError("The file has no line with the names of its columns: at least a date and an amount.")


def _entries(rows: Iterable[list[str]], places: Mapping[str, int], first_line: int) -> list[StatedEntry]:
    entries = []
    try:
        for number, row in enumerate(rows, start=first_line):
            if any(cell.strip() for cell in row):
                entries.append(_entry(row, places, number))
    except csv.Error as error:
        raise StatementError(f"The CSV is damaged: {error}.") from error
    return entries


def _places(head: Sequence[str]) -> dict[str, int]:
    names = [cell.strip().casefold().translate(_ACCENTS) for cell in head]
    return {
        field: position
        for field, known in COLUMNS.items()
        if (position := next((names.index(name) for name in known if name in names), None)) is not None
    }


def _entry(row: Sequence[str], places: Mapping[str, int], number: int) -> StatedEntry:
    def cell(field: str) -> str:
        place = places.get(field)
        return row[place].strip() if place is not None and place < len(row) else ""

    currency = cell("currency").upper() or "EUR"
    exact = _amount(cell("amount"))
    booked_on = _day(cell("booked_on"))
    if exact is None or booked_on is None or re.fullmatch("[A-Z]{3}", currency) is None:
        raise StatementError(f"Line {number} has no day, amount or currency that can be read.")
    if not is_whole_minor(exact, currency):
        raise StatementError(f"Line {number} is over {exact} {currency}, which is no amount.")
    return StatedEntry(
        booked_on=booked_on,
        amount_minor=round_to_minor(exact, currency),
        currency=currency,
        text=cell("text")[:TEXT_CHARACTERS_MAX],
        payer=cell("payer")[:NAME_CHARACTERS_MAX],
        payer_account=cell("payer_account").replace(" ", "")[:34],
        account=cell("account").replace(" ", "")[:40],
        bank_reference=cell("bank_reference")[:60],
    )


def _amount(text: str) -> Decimal | None:
    """Return an amount in either notation: the last comma or point before one or two digits is the decimal sign."""
    plain = re.sub(r"[^0-9.,+-]", "", text.replace("\N{MINUS SIGN}", "-"))
    found = re.fullmatch(r"([+-]?)([0-9.,]*?)(?:[.,]([0-9]{1,2}))?", plain)
    if found is None or not (found[2] or found[3]):
        return None
    whole = re.sub(r"[.,]", "", found[2]) or "0"
    try:
        return Decimal(f"{found[1]}{whole}.{found[3] or 0}")
    except InvalidOperation:
        return None


def _day(text: str) -> date | None:
    for form in _DAYS:
        try:
            return datetime.strptime(text, form).date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            continue
    return None
