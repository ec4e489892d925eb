"""The particulars that a document needs before it gets a number, and the missing ones. Pure; `docs/invoicing.md`.

Sources: Directive 2006/112/EC, articles 226 and 230 (226a and 226b require less); the British VAT Regulations 1995,
regulation 14 (1); the Swiss MWSTG, article 26 (2). Federal law of the United States requires none; the name and the
address of both parties are the house's own rule there.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from accounts.domain.tax_ids import EU, tax_country
from billing.domain.exchange import currency_of_seller
from billing.domain.invoicing.lines import LineDraft
from billing.domain.tax import TaxCategory

Content = Mapping[str, Any]
TAX_UNKNOWN: Final = "tax_unknown"
PARTICULARS_MISSING: Final = "particulars_missing"
# The name in the issuer's row until staff fill it in.
NOBODY: Final = "Your company"
ADDRESS_FIELDS: Final = ("address_line1", "city", "country")

_UNION: Final = "Directive 2006/112/EC, article"
_BRITISH: Final = "VAT Regulations 1995, regulation 14 (1)"
_SWISS: Final = "MWSTG, article 26 (2)"
_HOUSE: Final = "docs/invoices.md"
_OF_UNION: Final[Mapping[str, str]] = {
    "issued_on": f"{_UNION} 226 (1)",
    "seller_number": f"{_UNION} 226 (3)",
    "buyer_number": f"{_UNION} 226 (4)",
    "seller": f"{_UNION} 226 (5)",
    "buyer": f"{_UNION} 226 (5)",
    "description": f"{_UNION} 226 (6)",
    "supplied_on": f"{_UNION} 226 (7)",
    "base_minor": f"{_UNION} 226 (8)",
    "percent": f"{_UNION} 226 (9)",
    "amount_minor": f"{_UNION} 226 (10)",
    "reason": f"{_UNION} 226 (11)",
    "reverse_charge": f"{_UNION} 226 (11a)",
    "own_currency": f"{_UNION} 230",
}
_OF_KINGDOM: Final[Mapping[str, str]] = {
    "supplied_on": f"{_BRITISH} (b)",
    "issued_on": f"{_BRITISH} (c)",
    "seller": f"{_BRITISH} (d)",
    "seller_number": f"{_BRITISH} (d)",
    "buyer": f"{_BRITISH} (e)",
    "description": f"{_BRITISH} (g)",
    "base_minor": f"{_BRITISH} (h)",
    "percent": f"{_BRITISH} (h)",
    "amount_minor": f"{_BRITISH} (l)",
    "own_currency": f"{_BRITISH} (l)",
}
_OF_SWITZERLAND: Final[Mapping[str, str]] = {
    "seller": f"{_SWISS} a",
    "seller_number": f"{_SWISS} a",
    "buyer": f"{_SWISS} b",
    "supplied_on": f"{_SWISS} c",
    "description": f"{_SWISS} d",
    "base_minor": f"{_SWISS} e",
    "percent": f"{_SWISS} f",
    "amount_minor": f"{_SWISS} f",
}
_OF_NORWAY: Final[Mapping[str, str]] = {"seller_number": "Bokføringsforskriften, section 5-1-2"}
# Required if a member state's tax is declared, wherever the seller is (article 219a).
_WHOEVER_SELLS: Final[Mapping[str, str]] = {
    "union_number": f"{_UNION} 226 (3)",
    "buyer_number": _OF_UNION["buyer_number"],
    "reverse_charge": _OF_UNION["reverse_charge"],
}
_LAWS: Final[Mapping[str, Mapping[str, str]]] = {
    **dict.fromkeys(EU, _OF_UNION),
    "CH": _OF_SWITZERLAND,
    "GB": _OF_KINGDOM,
    "NO": _OF_NORWAY,
}
# The suffix in the Swiss register for a seller that charges the tax.
_SWISS_MARKS: Final = ("MWST", "TVA", "IVA", "VAT")
_OF_ROW: Final = {"base_minor": "the taxable amount", "percent": "the rate", "amount_minor": "the tax"}
_WITH_REASON: Final = frozenset({TaxCategory.ZERO, TaxCategory.EXEMPT, TaxCategory.OUT_OF_SCOPE})


@dataclass(frozen=True, slots=True)
class Missing:
    """A missing particular, in words for staff, and the article that requires it."""

    what: str
    source: str


def is_of_value(lines: Sequence[LineDraft]) -> bool:
    """Return whether anything is charged or refunded.

    A free supply is not a supply for consideration (article 2), and needs no invoice: no particulars are missing.
    """
    return any(line.amount_minor for line in lines)


def tax_problems(lines: Sequence[LineDraft]) -> list[str]:
    """Return the reasons why the tax of some lines cannot be decided, each once."""
    problems = (line.tax.problem for line in lines if line.tax is not None and line.amount_minor)
    return list(dict.fromkeys(problem for problem in problems if problem))


def has_address(party: Mapping[str, str]) -> bool:
    """Return whether a party has an address: the street, the city and the country."""
    return all(party[name].strip() for name in ADDRESS_FIELDS)


def missing_particulars(content: Content) -> list[Missing]:
    """Return the missing particulars that the law of the seller's country requires, in the order of article 226.

    `content` is a document's: `issued_on`, `currency`, `issuer`, `customer`, `taxes`, `issuer_currency`, and of each of
    `lines` `description` and `supplied_on` are read. The document gets its number when nothing is missing.
    """
    seller = tax_country(content["issuer"]["country"])
    law = _LAWS.get(seller, {})
    found = [*_of_seller(content, seller), *_of_buyer(content, seller), *_of_lines(content), *_of_taxes(content)]
    return [Missing(what, law.get(item) or _WHOEVER_SELLS.get(item, _HOUSE)) for item, what in found]


def in_words(missing: Iterable[Missing]) -> str:
    """Return the missing particulars as a list in words, with the articles: a, b (article), c (another)."""
    groups = groupby(missing, key=lambda one: one.source)
    return ", ".join(f"{', '.join(one.what for one in group)} ({source})" for source, group in groups)


def _of_seller(content: Content, seller: str) -> Iterator[tuple[str, str]]:
    issuer = content["issuer"]
    if not content["issued_on"]:
        yield "issued_on", "the date of issue"
    if issuer["legal_name"].strip() in {"", NOBODY}:
        yield "seller", "the seller's name"
    if not _is_located(issuer, seller):
        yield "seller", "the seller's address"
    is_due = bool(_categories(content) & {TaxCategory.STANDARD, TaxCategory.REVERSE_CHARGE})
    number = issuer["tax_id"].strip()
    if seller in _LAWS and is_due and not number:
        yield "seller_number", "the seller's VAT number"
    elif seller == "CH" and TaxCategory.STANDARD in _categories(content) and not number.endswith(_SWISS_MARKS):
        yield "seller_number", "the seller's UID with MWST behind it, as the register has it"
    if seller not in EU and any(_is_tax_of_union(row) and "tax id" not in row["note"] for row in _rows(content)):
        yield "union_number", "the number under which the seller declares the tax: enter it at the registration"


def _of_buyer(content: Content, seller: str) -> Iterator[tuple[str, str]]:
    customer = content["customer"]
    if not (customer["legal_name"] or customer["name"]).strip():
        yield "buyer", "the customer's name"
    if not _is_located(customer, seller):
        yield "buyer", "the customer's address"
    is_in_union = tax_country(customer["country"]) in EU
    if is_in_union and TaxCategory.REVERSE_CHARGE in _categories(content) and not customer["tax_id"].strip():
        yield "buyer_number", "the customer's VAT number"


def _of_lines(content: Content) -> Iterator[tuple[str, str]]:
    lines = [line for line in content["lines"] if line.get("tax") is not None]
    if not all(str(line["description"]).strip() for line in lines):
        yield "description", "what was supplied"
    if not all(line["supplied_on"] for line in lines):
        yield "supplied_on", "the day of supply"


def _of_taxes(content: Content) -> Iterator[tuple[str, str]]:
    rows = _rows(content)
    for name, what in _OF_ROW.items():
        if any(row[name] is None for row in rows):
            yield name, what
    if any(row["category"] in _WITH_REASON and not row["note"].strip() for row in rows):
        yield "reason", "why no tax is charged"
    is_reverse = [row for row in rows if row["category"] == TaxCategory.REVERSE_CHARGE]
    if any("reverse charge" not in row["note"].lower() for row in is_reverse):
        yield "reverse_charge", "the words Reverse charge"
    own = currency_of_seller(content["issuer"]["country"])
    is_taxed = any(row["amount_minor"] for row in rows)
    told = content.get("issuer_currency") or {"currency": content["currency"]}
    if own and is_taxed and told["currency"] != own:
        yield "own_currency", f"the tax in {own}"


def _is_located(party: Mapping[str, str], seller: str) -> bool:
    """Return whether the party's address is complete; the place alone is enough for a Swiss seller."""
    return bool(party["city"].strip() and party["country"].strip()) if seller == "CH" else has_address(party)


def _is_tax_of_union(row: Content) -> bool:
    return row["jurisdiction"] in EU and row["category"] == TaxCategory.STANDARD


def _rows(content: Content) -> list[Content]:
    return [row for row in content["taxes"] if row["base_minor"] != 0]


def _categories(content: Content) -> set[str]:
    return {row["category"] for row in content["taxes"]}
