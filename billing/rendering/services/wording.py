"""What stands on a document in words: amounts, quantities, days, addresses, and how each line came about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

from babel import Locale

from accounts.domain.numbers import number_text
from billing.domain.money import amount_text, exact_text
from billing.domain.step_words import StepWords, words_of
from billing.domain.steps import steps_of, told_by_the_line

Content = Mapping[str, Any]
INCLUDED: Final = "included"
_ENGLISH: Final = Locale("en")
_MONTHS: Final = _ENGLISH.months["format"]["wide"]


@dataclass(frozen=True, slots=True)
class PrintedStep:
    """A step of a line as it is printed under it, in the columns of the table."""

    label: str
    quantity: str = ""
    unit_price: str = ""
    amount: str = ""


def day(iso: str) -> str:
    """A stored day, as in 1 March 2026."""
    moment = date.fromisoformat(iso)
    return f"{moment.day} {_MONTHS[moment.month]} {moment.year}"


def days(period: Mapping[str, str]) -> str:
    """A stored period by its first and last day, as in 1 - 31 March 2026."""
    first, last = date.fromisoformat(period["first_day"]), date.fromisoformat(period["last_day"])
    if first == last:
        return day(period["last_day"])
    begin = str(first.day)
    if (first.year, first.month) != (last.year, last.month):
        begin += f" {_MONTHS[first.month]}"
    if first.year != last.year:
        begin += f" {first.year}"
    return f"{begin} \u2013 {day(period['last_day'])}"


def address(party: Mapping[str, str]) -> list[str]:
    """A company's name and address by lines, without the empty ones; its tax id at the end."""
    city = " ".join(filter(None, [party["postal_code"], party["city"]]))
    country = str(_ENGLISH.territories.get(party["country"], party["country"]))
    tax_id = f"Tax ID: {party['tax_id']}" if party["tax_id"] else ""
    name = party["legal_name"] or party.get("name", "")
    lines = [name, party["address_line1"], party["address_line2"], city, party.get("region", ""), country, tax_id]
    return [line for line in lines if line]


def tax_label(tax: Content, currency: str) -> str:
    """A tax with its rate and what it is taken of."""
    return f"{tax['name']} {number_text(tax['percent'])}% of {amount_text(tax['base_minor'], currency)}"


def is_settlement(line: Content) -> bool:
    """Return whether a line settles credit after tax, and so stands below the taxes.

    On documents from before lines bore their tax, credit was taken off before tax.
    """
    return line["kind"] == "carry" and "tax" in line


def days_and_tax(line: Content, content: Content) -> str:
    """Return the days of a line, with the tax that it bears where the document has several."""
    tax = line.get("tax")
    if tax is None or len(content["taxes"]) == 1:
        return days(line["period"])
    return f"{days(line['period'])} · {tax['name']} {number_text(tax['rate'])}%"


def unit_price(line: Content) -> str:
    """The price of one unit, where all units of the line have the same."""
    explanation = line["explanation"]
    steps = explanation.get("steps", [])
    return _price(steps[0]["unit_amount"]) if explanation["model"] == "per_unit" and steps else ""


def quantity(line: Content) -> str:
    """A line's quantity with its unit; a fee, a share of one and a carried amount have none."""
    if line["kind"] not in {"usage", "adjustment"}:
        return ""
    return f"{number_text(line['quantity'])} {line['unit']}".strip()


def steps_under(line: Content, currency: str) -> list[PrintedStep]:
    """Return how a line's amount came about; nothing if the line, with its unit price, says it all."""
    steps = steps_of(line["explanation"], line["amount_minor"], currency)
    if told_by_the_line(steps) or (len(steps) == 1 and unit_price(line)):
        return []
    return [_printed(words_of(step, currency), currency) for step in steps]


def _price(unit_amount: Decimal | str) -> str:
    """The price of one unit; of those that cost nothing a word, which nobody takes for a price that was forgotten."""
    return number_text(unit_amount) if Decimal(unit_amount) else INCLUDED


def _printed(words: StepWords, currency: str) -> PrintedStep:
    return PrintedStep(
        label=words.label.removesuffix(f", {INCLUDED}"),
        quantity="" if words.quantity is None else number_text(words.quantity),
        unit_price="" if words.unit_amount is None else _price(words.unit_amount),
        amount="" if words.amount is None else exact_text(words.amount, currency),
    )


def contact(issuer: Mapping[str, str]) -> Sequence[str]:
    """What stands at the foot of each page."""
    names = ("registration", "tax_id", "email", "phone", "website")
    found = [f"Tax ID {issuer[name]}" if name == "tax_id" else issuer[name] for name in names if issuer[name]]
    return [issuer["legal_name"], *found]
