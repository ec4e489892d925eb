"""The texts of a document: amounts, quantities, days, addresses, and the steps of each line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from accounts.domain.numbers import unit_name
from billing.domain.step_words import StepWords, words_of
from billing.domain.steps import steps_of, told_by_the_line
from billing.domain.tax import TaxTreatment
from billing.rendering.services.language import IN_ENGLISH, Language

Content = Mapping[str, Any]
INCLUDED: Final = "included"


@dataclass(frozen=True, slots=True)
class PrintedStep:
    """A step of a line as it is printed under it, in the columns of the table."""

    label: str
    quantity: str = ""
    unit_price: str = ""
    amount: str = ""


def days(period: Mapping[str, str]) -> str:
    """Return a stored period in English, as mails write it."""
    return IN_ENGLISH.days(period)


def day(iso: str) -> str:
    """Return a stored day in English, as mails write it."""
    return IN_ENGLISH.day(iso)


def address(party: Mapping[str, str], said: Language = IN_ENGLISH) -> list[str]:
    """Return the lines of a company's name and address without empty ones. The last is its tax id."""
    city = " ".join(filter(None, [party["postal_code"], party["city"]]))
    tax_id = f"{said.say('Tax ID')}: {party['tax_id']}" if party["tax_id"] else ""
    name = party["legal_name"] or party.get("name", "")
    lines = [name, party["address_line1"], party["address_line2"], city, party.get("region", "")]
    lines += [said.country(party["country"]), tax_id]
    return [line for line in lines if line]


def tax_label(tax: Content, currency: str, said: Language = IN_ENGLISH) -> str:
    """Return a tax with its rate and the amount that it is computed from."""
    if tax["treatment"] == TaxTreatment.MERCHANT:
        return said.say("Tax: charged by {merchant}", merchant=tax["name"])
    name, percent = said.say(tax["name"]), said.number(tax["percent"])
    base = said.amount(tax["base_minor"], currency)
    return said.say("{tax} {percent}% of {base}", tax=name, percent=percent, base=base)


def is_settlement(line: Content) -> bool:
    """Return whether a line settles credit after tax. Such a line is printed below the taxes.

    Documents from before lines had their own tax deduct credit before tax.
    """
    return line["kind"] == "carry" and "tax" in line


def days_and_tax(line: Content, content: Content, said: Language = IN_ENGLISH) -> str:
    """Return the days of a line, with its tax if the document has several."""
    tax = line.get("tax")
    if tax is None or len(content["taxes"]) == 1:
        return said.days(line["period"])
    return f"{said.days(line['period'])} · {said.say(tax['name'])} {said.number(tax['rate'])}%"


def unit_price(line: Content, said: Language = IN_ENGLISH) -> str:
    """Return the price of one unit, or an empty text if the line's units have different prices."""
    explanation = line["explanation"]
    steps = explanation.get("steps", [])
    return _price(steps[0]["unit_amount"], said) if explanation["model"] == "per_unit" and steps else ""


def quantity(line: Content, said: Language = IN_ENGLISH) -> str:
    """Return a line's quantity with its unit, or an empty text for a fee, a share of one or a carried amount."""
    if line["kind"] not in {"usage", "adjustment"}:
        return ""
    return f"{said.number(line['quantity'])} {unit_name(line['unit'], Decimal(line['quantity']))}".strip()


def steps_under(line: Content, currency: str, said: Language = IN_ENGLISH) -> list[PrintedStep]:
    """Return the steps that led to a line's amount, none if the line and its unit price say it all."""
    steps = steps_of(line["explanation"], line["amount_minor"], currency)
    if told_by_the_line(steps) or (len(steps) == 1 and unit_price(line)):
        return []
    return [_printed(words_of(step, currency), currency, said) for step in steps]


def _price(unit_amount: Decimal | str, said: Language) -> str:
    """Return the price of one unit, or the word "included" for 0, so that it does not look like a missing price."""
    return said.number(unit_amount) if Decimal(unit_amount) else said.say(INCLUDED)


def _printed(words: StepWords, currency: str, said: Language) -> PrintedStep:
    return PrintedStep(
        label=said.retell(words.label.removesuffix(f", {INCLUDED}")),
        quantity="" if words.quantity is None else said.number(words.quantity),
        unit_price="" if words.unit_amount is None else _price(words.unit_amount, said),
        amount="" if words.amount is None else said.exact(words.amount, currency),
    )


def contact(issuer: Mapping[str, str], said: Language = IN_ENGLISH) -> Sequence[str]:
    """Return the parts of the foot of each page: the issuer's name, numbers and contacts."""
    names = ("registration", "tax_id", "email", "phone", "website")
    found = [
        f"{said.say('Tax ID')} {issuer[name]}" if name == "tax_id" else issuer[name] for name in names if issuer[name]
    ]
    return [issuer["legal_name"], *found]
