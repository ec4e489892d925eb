"""The European Central Bank's files of exchange rates: eurofxref, as CSV or XML, of a day or of all. Pure."""

import csv
import re
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from billing.domain.exchange import EURO, DayRate

_DAY_OF_XML: Final = re.compile(r"""<Cube\s+time=['"](\d{4}-\d\d-\d\d)['"]\s*>(.*?)</Cube\s*>""", re.DOTALL)
_RATE_OF_XML: Final = re.compile(r"""<Cube\s+currency=['"]([A-Z]{3})['"]\s+rate=['"]([0-9.]+)['"]\s*/>""")


class RatesFileError(ValueError):
    """The file is not one of the bank's, or is damaged."""


def parse_rates(text: str) -> list[DayRate]:
    """Return the rates of one of the bank's files, CSV or XML, of a day or of all. Raises `RatesFileError`."""
    found = list(_of_xml(text) if text.lstrip("\ufeff \r\n\t").startswith("<") else _of_csv(text))
    if not found:
        raise RatesFileError("No rate was found. Is it eurofxref.csv, eurofxref-hist.csv or eurofxref-daily.xml?")
    return found


def _of_xml(text: str) -> Iterator[DayRate]:
    for day, cubes in _DAY_OF_XML.findall(text):
        for currency, rate in _RATE_OF_XML.findall(cubes):
            yield _rate(day, currency, rate)


def _of_csv(text: str) -> Iterator[DayRate]:
    rows = [[cell.strip() for cell in row] for row in csv.reader(text.lstrip("\ufeff").splitlines())]
    if not rows or not rows[0] or rows[0][0] != "Date":
        raise RatesFileError("The first line is not a heading. It must begin with Date.")
    for row in rows[1:]:
        for currency, rate in zip(rows[0][1:], row[1:], strict=False):
            if currency and rate not in {"", "N/A"}:
                yield _rate(row[0], currency, rate)


def _rate(day: str, currency: str, rate: str) -> DayRate:
    try:
        found = DayRate(EURO, currency, _day(day), Decimal(rate))
    except (ValueError, InvalidOperation) as error:
        raise RatesFileError(f"{day}: {rate} is not a rate of {currency}.") from error
    if not found.rate.is_finite() or found.rate <= 0 or not re.fullmatch("[A-Z]{3}", currency, re.ASCII):
        raise RatesFileError(f"{day}: {rate} is not a rate of {currency}.")
    return found


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return datetime.strptime(text, "%d %B %Y").date()  # noqa: DTZ007 - a calendar day has no zone
