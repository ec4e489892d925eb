"""The particulars that the law requires of an invoice, checked in issued documents, without the rules of issuing. Pure.

Directive 2006/112/EC: articles 44, 196, 214, 226 and 230. `docs/algorithms/invoicing.md`, V10.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from stdnum.eu import vat

_EURO: Final = "AT BE BG CY DE EE ES FI FR GR HR IE IT LT LU LV MT NL PT SI SK"
CURRENCIES_OF_EU: Final[Mapping[str, str]] = {
    **dict.fromkeys(_EURO.split(), "EUR"),
    "CZ": "CZK", "DK": "DKK", "HU": "HUF", "PL": "PLN", "RO": "RON", "SE": "SEK",
}  # fmt: skip
# The VAT Regulations 1995, regulation 14 (1) (l), ask for sterling.
_OWN_CURRENCIES: Final[Mapping[str, str]] = {**CURRENCIES_OF_EU, "GB": "GBP"}
_PREFIXES: Final = {"GR": "EL"}
_NOBODY: Final = frozenset({"", "Your company"})
_UNTRUE_OUTSIDE: Final = "Not subject to tax in the country of the seller."
_ADDRESS: Final = ("address_line1", "city", "country")
_PLACE: Final = ("city", "country")
_SWISS: Final = frozenset({"CH", "LI"})

CODES: Final = frozenset({"particulars", "tax_id", "untaxed", "tax_abroad", "own_currency"})

Content = Mapping[str, Any]


def particulars_missing(content: Content) -> Iterator[tuple[str, str]]:
    """Yield the faults of a document, as a stable word and a sentence. A document over 0 is not checked."""
    rows = [row for row in _taxes(content) if row.get("base_minor")]
    if rows:
        for look in (_parties, _words, _tax_id, _untaxed, _taxed_abroad, _own_currency):
            yield from look(content, rows)


def _parties(content: Content, rows: Sequence[Content]) -> Iterator[tuple[str, str]]:
    """Check article 226 (3) and (5): the seller with its number, and the buyer. A Swiss seller needs only the place."""
    issuer, customer = content.get("issuer", {}), content.get("customer", {})
    wanted = _PLACE if issuer.get("country") in _SWISS else _ADDRESS
    if issuer.get("legal_name", "") in _NOBODY or not all(issuer.get(name) for name in wanted):
        yield "particulars", "It does not say who sells, with name and address."
    elif any(_percent(row) for row in rows) and not issuer.get("tax_id"):
        yield "particulars", "It charges tax and does not say the seller's tax id."
    if not all(customer.get(name) for name in wanted):
        yield "particulars", "It does not say where the customer is."
    if not (customer.get("legal_name") or customer.get("name")):
        yield "particulars", "It does not say who the customer is."


def _words(content: Content, rows: Sequence[Content]) -> Iterator[tuple[str, str]]:
    """Check article 226 (6) and (11a): the description of the supply, and the words about a reverse charge."""
    if not all(line.get("description") for line in content.get("lines", ())):
        yield "particulars", "It has a line that does not say what was supplied."
    reversed_rows = [row for row in rows if row.get("treatment") == "reverse_charge"]
    if any("reverse charge" not in row.get("note", "").lower() for row in reversed_rows):
        yield "particulars", "The tax is the customer's to pay, and it does not say Reverse charge."


def _tax_id(content: Content, rows: Sequence[Content]) -> Iterator[tuple[str, str]]:
    """Check article 226 (4): the buyer that owes the tax has a well-formed number."""
    customer = content.get("customer", {})
    country, number = customer.get("country", ""), customer.get("tax_id", "")
    if country in CURRENCIES_OF_EU and any(row.get("treatment") == "reverse_charge" for row in rows):
        prefix = _PREFIXES.get(country, country)
        if not (number.startswith(prefix) and vat.is_valid(number) and re.search(r"[1-9]", number)):
            said = number or "none"
            yield "tax_id", f"The tax is the customer's to pay, and its tax id is no number of {country}: {said}."


def _untaxed(content: Content, rows: Sequence[Content]) -> Iterator[tuple[str, str]]:
    """Check that a supply within the EU, or at home, is not marked as outside the scope of the seller's law."""
    seller, buyer = (content.get(party, {}).get("country", "") for party in ("issuer", "customer"))
    is_inside = seller == buyer or {seller, buyer} <= set(CURRENCIES_OF_EU)
    if seller and is_inside and any(row.get("note") == _UNTRUE_OUTSIDE and not _percent(row) for row in rows):
        yield "untaxed", f"It says that a supply from {seller} to {buyer} is not subject to tax, which is not true."


def _taxed_abroad(content: Content, rows: Sequence[Content]) -> Iterator[tuple[str, str]]:
    """Check article 196: a seller from outside the EU charges no tax to a business there that has a number."""
    seller, customer = content.get("issuer", {}).get("country", ""), content.get("customer", {})
    buyer, number = customer.get("country", ""), customer.get("tax_id", "")
    is_abroad = seller not in CURRENCIES_OF_EU and buyer in CURRENCIES_OF_EU
    if seller and is_abroad and vat.is_valid(number) and any(_percent(row) for row in rows):
        yield "tax_abroad", f"A seller in {seller} charges tax to a business in {buyer} that declares it itself."


def _own_currency(content: Content, rows: Sequence[Content]) -> Iterator[tuple[str, str]]:
    """Check article 230: the tax is also stated in the currency of the seller's country."""
    own = _OWN_CURRENCIES.get(content.get("issuer", {}).get("country", ""))
    is_taxed = any(row.get("amount_minor") for row in rows)
    if own is not None and is_taxed and own not in _currencies(content):
        yield "own_currency", f"Its tax is said in {content.get('currency')} and not in {own}."


def _taxes(content: Content) -> Sequence[Content]:
    rows: Sequence[Content] = content.get("taxes") or ()
    return rows


def _percent(row: Content) -> bool:
    return re.search(r"[1-9]", str(row.get("percent", ""))) is not None


def _currencies(content: object) -> Iterator[str]:
    """Yield every currency that a document names, at whatever depth."""
    if isinstance(content, Mapping):
        for name, value in content.items():
            if isinstance(value, str) and name.endswith("currency"):
                yield value
            yield from _currencies(value)
    elif isinstance(content, Sequence) and not isinstance(content, str):
        for value in content:
            yield from _currencies(value)
