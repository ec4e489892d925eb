"""What stands on a document in words: amounts, quantities, days, addresses, and how each line came about."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

from babel import Locale

from accounts.domain.numbers import number_text
from billing.domain.money import EXACT, amount_text, exact_text, to_major

Content = Mapping[str, Any]
_ENGLISH: Final = Locale("en")
_MONTHS: Final = _ENGLISH.months["format"]["wide"]


@dataclass(frozen=True, slots=True)
class Step:
    """A part of how a line's amount came about, as it is printed under it."""

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


def unit_price(line: Content) -> str:
    """The price of one unit, where all units of the line have the same."""
    explanation = line["explanation"]
    steps = explanation.get("steps", [])
    return number_text(steps[0]["unit_amount"]) if explanation["model"] == "per_unit" and steps else ""


def quantity(line: Content) -> str:
    """A line's quantity with its unit; a fee, a share of one and a carried amount have none."""
    if line["kind"] not in {"usage", "adjustment"}:
        return ""
    return f"{number_text(line['quantity'])} {line['unit']}".strip()


def steps_of(line: Content, currency: str) -> list[Step]:
    """How a line's amount came about: tiers, packages, shares, corrections and rounding."""
    explanation = line["explanation"]
    model = explanation["model"]
    if model == "proration":
        fee, part, whole = exact_text(explanation["fee"], currency), explanation["days"], explanation["days_in_period"]
        taken_back = ", which was taken back" if explanation.get("is_forgiven") else ""
        return [Step(f"{part} of {whole} days of a fee of {fee}{taken_back}")]
    if model == "adjustment":
        return list(_corrected(explanation, currency))
    return list(_charged(explanation, line["amount_minor"], currency))


def _corrected(explanation: Content, currency: str) -> Iterator[Step]:
    before, now = explanation["invoiced"], explanation["now"]
    invoiced = amount_text(before["amount_minor"], currency)
    yield Step(f"Charged by {explanation['invoice']}", number_text(before["quantity"]), amount=invoiced)
    if before.get("forgiven_minor"):
        yield Step(
            "Of that, on invoices that are void or credited", amount=amount_text(before["forgiven_minor"], currency)
        )
    yield Step(
        "Charge by what is known now", number_text(now["quantity"]), amount=amount_text(now["amount_minor"], currency)
    )
    yield from _charged(now, now["amount_minor"], currency)


def _charged(explanation: Content, amount_minor: int, currency: str) -> Iterator[Step]:
    model, steps = explanation["model"], explanation.get("steps", [])
    if model in {"graduated", "volume"}:
        for step in steps:
            yield from _tier(step, currency)
    if model == "package":
        for step in steps:
            packages = number_text(step["quantity"])
            price = exact_text(step["unit_amount"], currency)
            yield Step("Packages begun", packages, price, exact_text(step["amount"], currency))
    unrounded = explanation.get("exact_amount")
    if unrounded is not None and Decimal(unrounded) != to_major(amount_minor, currency):
        yield Step(f"Rounded half up from {exact_text(unrounded, currency)}")


def _tier(step: Content, currency: str) -> Iterator[Step]:
    flat = Decimal(step["flat_amount"])
    by_unit = EXACT.subtract(Decimal(step["amount"]), flat)
    label = _tier_label(step["tier"])
    yield Step(label, number_text(step["quantity"]), number_text(step["unit_amount"]), exact_text(by_unit, currency))
    if flat:
        yield Step(f"{label}: once", amount=exact_text(flat, currency))


def _tier_label(tier: Content) -> str:
    above, up_to = Decimal(tier["above"]), tier["up_to"]
    if up_to is None:
        return f"Above {number_text(above)}" if above else "All units"
    return f"Above {number_text(above)} up to {number_text(up_to)}" if above else f"Up to {number_text(up_to)}"


def contact(issuer: Mapping[str, str]) -> Sequence[str]:
    """What stands at the foot of each page."""
    names = ("registration", "tax_id", "email", "phone", "website")
    found = [f"Tax ID {issuer[name]}" if name == "tax_id" else issuer[name] for name in names if issuer[name]]
    return [issuer["legal_name"], *found]
