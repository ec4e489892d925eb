"""What stands on a document in words: amounts, quantities, days, addresses, and how each line came about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from billing.domain.step_words import StepWords, words_of
from billing.domain.steps import steps_of, told_by_the_line
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
    """A stored period in English, as mails say it."""
    return IN_ENGLISH.days(period)


def day(iso: str) -> str:
    """A stored day in English, as mails say it."""
    return IN_ENGLISH.day(iso)


def address(party: Mapping[str, str], said: Language = IN_ENGLISH) -> list[str]:
    """A company's name and address by lines, without the empty ones; its tax id at the end."""
    city = " ".join(filter(None, [party["postal_code"], party["city"]]))
    tax_id = f"{said.say('Tax ID')}: {party['tax_id']}" if party["tax_id"] else ""
    name = party["legal_name"] or party.get("name", "")
    lines = [name, party["address_line1"], party["address_line2"], city, party.get("region", "")]
    lines += [said.country(party["country"]), tax_id]
    return [line for line in lines if line]


def tax_label(tax: Content, currency: str, said: Language = IN_ENGLISH) -> str:
    """A tax with its rate and what it is taken of."""
    name, percent = said.say(tax["name"]), said.number(tax["percent"])
    base = said.amount(tax["base_minor"], currency)
    return said.say("{tax} {percent}% of {base}", tax=name, percent=percent, base=base)


def is_settlement(line: Content) -> bool:
    """Return whether a line settles credit after tax, and so stands below the taxes.

    On documents from before lines bore their tax, credit was taken off before tax.
    """
    return line["kind"] == "carry" and "tax" in line


def days_and_tax(line: Content, content: Content, said: Language = IN_ENGLISH) -> str:
    """Return the days of a line, with the tax that it bears where the document has several."""
    tax = line.get("tax")
    if tax is None or len(content["taxes"]) == 1:
        return said.days(line["period"])
    return f"{said.days(line['period'])} · {said.say(tax['name'])} {said.number(tax['rate'])}%"


def unit_price(line: Content, said: Language = IN_ENGLISH) -> str:
    """The price of one unit, where all units of the line have the same."""
    explanation = line["explanation"]
    steps = explanation.get("steps", [])
    return _price(steps[0]["unit_amount"], said) if explanation["model"] == "per_unit" and steps else ""


def quantity(line: Content, said: Language = IN_ENGLISH) -> str:
    """A line's quantity with its unit; a fee, a share of one and a carried amount have none."""
    if line["kind"] not in {"usage", "adjustment"}:
        return ""
    return f"{said.number(line['quantity'])} {line['unit']}".strip()


def steps_under(line: Content, currency: str, said: Language = IN_ENGLISH) -> list[PrintedStep]:
    """Return how a line's amount came about; nothing if the line, with its unit price, says it all."""
    steps = steps_of(line["explanation"], line["amount_minor"], currency)
    if told_by_the_line(steps) or (len(steps) == 1 and unit_price(line)):
        return []
    return [_printed(words_of(step, currency), currency, said) for step in steps]


def _price(unit_amount: Decimal | str, said: Language) -> str:
    """The price of one unit; of those that cost nothing a word, which nobody takes for a price that was forgotten."""
    return said.number(unit_amount) if Decimal(unit_amount) else said.say(INCLUDED)


def _printed(words: StepWords, currency: str, said: Language) -> PrintedStep:
    return PrintedStep(
        label=said.retell(words.label.removesuffix(f", {INCLUDED}")),
        quantity="" if words.quantity is None else said.number(words.quantity),
        unit_price="" if words.unit_amount is None else _price(words.unit_amount, said),
        amount="" if words.amount is None else said.exact(words.amount, currency),
    )


def contact(issuer: Mapping[str, str], said: Language = IN_ENGLISH) -> Sequence[str]:
    """What stands at the foot of each page."""
    names = ("registration", "tax_id", "email", "phone", "website")
    found = [
        f"{said.say('Tax ID')} {issuer[name]}" if name == "tax_id" else issuer[name] for name in names if issuer[name]
    ]
    return [issuer["legal_name"], *found]
