"""What an invoice has to say before it gets a number, and what is missing of it. Pure; `docs/invoicing.md`.

Source: Directive 2006/112/EC, article 226; the Swiss MWSTG (article 26) and the British VAT Regulations 1995
(regulation 14) ask for the same of what is listed here.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from accounts.domain.tax_ids import EU, tax_country
from billing.domain.invoicing.lines import LineDraft
from billing.domain.tax import TaxCategory

TAX_UNKNOWN: Final = "tax_unknown"
PARTICULARS_MISSING: Final = "particulars_missing"
# What the one row of the issuer says until staff have filled it in.
NOBODY: Final = "Your company"
ADDRESS_FIELDS: Final = ("address_line1", "city", "country")
# Where a seller that charges tax has a number that stands on its invoices.
_NUMBERED: Final = EU | {"CH", "GB", "NO"}
_SELLERS_NUMBER: Final = frozenset({TaxCategory.STANDARD, TaxCategory.REVERSE_CHARGE})


def is_of_value(lines: Sequence[LineDraft]) -> bool:
    """Return whether anything is charged or given back.

    What is free is no supply for consideration (article 2), and no invoice is owed for it: it lacks nothing.
    """
    return any(line.amount_minor for line in lines)


def tax_problems(lines: Sequence[LineDraft]) -> list[str]:
    """Return why the tax of some lines cannot be told, each reason once."""
    problems = (line.tax.problem for line in lines if line.tax is not None and line.amount_minor)
    return list(dict.fromkeys(problem for problem in problems if problem))


def missing_particulars(
    lines: Sequence[LineDraft], *, issuer: Mapping[str, str], customer: Mapping[str, str]
) -> list[str]:
    """Return what is missing of who sells and who buys, as a sentence to staff names it.

    `issuer` and `customer` map the names of ISSUER_FIELDS and CUSTOMER_FIELDS to texts.
    """
    return [*_of_seller(lines, issuer), *_of_buyer(lines, customer)]


def has_address(party: Mapping[str, str]) -> bool:
    """Return whether it is said where somebody is: the street, the city and the country."""
    return all(party[name].strip() for name in ADDRESS_FIELDS)


def _of_seller(lines: Sequence[LineDraft], issuer: Mapping[str, str]) -> Iterator[str]:
    if issuer["legal_name"].strip() in {"", NOBODY}:
        yield "the seller's name"
    if not has_address(issuer):
        yield "the seller's address"
    is_numbered = tax_country(issuer["country"]) in _NUMBERED
    if is_numbered and _categories(lines) & _SELLERS_NUMBER and not issuer["tax_id"].strip():
        yield "the seller's VAT number"


def _of_buyer(lines: Sequence[LineDraft], customer: Mapping[str, str]) -> Iterator[str]:
    if not (customer["legal_name"] or customer["name"]).strip():
        yield "the customer's name"
    if not has_address(customer):
        yield "the customer's address"
    is_in_union = tax_country(customer["country"]) in EU
    if is_in_union and TaxCategory.REVERSE_CHARGE in _categories(lines) and not customer["tax_id"].strip():
        yield "the customer's VAT number"


def _categories(lines: Sequence[LineDraft]) -> set[TaxCategory]:
    return {line.tax.category for line in lines if line.tax is not None}
