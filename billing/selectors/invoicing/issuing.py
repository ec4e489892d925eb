"""What stands between a computed invoice and its number: its tax is known, nothing is missing, its amount is usual."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from accounts.models import Tenant
from billing.domain.documents import CUSTOMER_FIELDS, ISSUER_FIELDS, taxes_content
from billing.domain.exchange import DAYS_OLD_MAX, RATE_MISSING, Conversion, currency_of_seller
from billing.domain.invoicing.computing import ComputedInvoice
from billing.domain.invoicing.state import BillingState
from billing.models import Issuer
from billing.selectors.exchange import conversions
from billing.selectors.invoicing.computation import Computation, Unbillable
from billing.selectors.invoicing.plausibility import held_back
from billing.taxlaw.domain.particulars import (
    PARTICULARS_MISSING,
    TAX_UNKNOWN,
    in_words,
    is_of_value,
    missing_particulars,
    tax_problems,
)
from metering.domain.periods import local_day


@dataclass(frozen=True, slots=True)
class _Known:
    """What invoices are looked at with. `ways` lead from their currencies to the seller's, `own`."""

    issued_on: date
    issuer: Mapping[str, str]
    customers: Mapping[UUID, Mapping[str, str]]
    own: str
    ways: Mapping[str, Conversion]


def ready_to_issue(
    computed: Sequence[Computation],
    *,
    as_of: datetime,
    before: Sequence[ComputedInvoice] = (),
    is_final: Callable[[BillingState], bool] = lambda _: True,
) -> list[Computation]:
    """Return the same, and in the place of each final invoice that cannot have a number at `as_of` why not.

    `before` were computed and not stored: a dry run compares with them too.
    """
    final = [found for found in computed if isinstance(found, ComputedInvoice) and is_final(found.state)]
    known = _known([invoice for invoice in final if is_of_value(invoice.lines)], as_of)
    refused = {id(invoice): why for invoice in final if (why := _why_not(invoice, known)) is not None}
    return held_back([refused.get(id(found), found) for found in computed], before=before, is_final=is_final)


def why_not_issued(invoice: ComputedInvoice, *, as_of: datetime) -> str:
    """Return why an invoice cannot have a number at `as_of`, whatever its amount; empty if it can."""
    refused = _why_not(invoice, _known([invoice], as_of))
    return "" if refused is None else refused.detail


def bears_tax(invoice: ComputedInvoice) -> bool:
    """Return whether it bears a tax that is not nothing."""
    return any(row.tax_minor for row in invoice.taxes)


def ways_to_own_currency(
    invoices: Sequence[ComputedInvoice], country: str, issued_on: date
) -> Mapping[str, Conversion]:
    """Return how the currencies of invoices that bear tax become that of a seller in `country`, if a rate is known."""
    own = currency_of_seller(country)
    others = {invoice.state.currency for invoice in invoices if bears_tax(invoice)} - {own}
    return conversions(others, own, issued_on) if own and others else {}


def _known(invoices: Sequence[ComputedInvoice], as_of: datetime) -> _Known:
    issuer = Issuer.objects.values("time_zone", *ISSUER_FIELDS).get(pk=1)
    tenants = {invoice.state.tenant_id for invoice in invoices}
    customers = {row.pop("pk"): row for row in Tenant.objects.filter(pk__in=tenants).values("pk", *CUSTOMER_FIELDS)}
    issued_on = local_day(as_of, issuer["time_zone"])
    ways = ways_to_own_currency(invoices, issuer["country"], issued_on)
    return _Known(issued_on, issuer, customers, currency_of_seller(issuer["country"]), ways)


def _content(invoice: ComputedInvoice, known: _Known) -> Mapping[str, object]:
    """Return what the document is going to say, as far as the law asks for it; the rate is looked for by itself."""
    return {
        "issued_on": known.issued_on.isoformat(),
        "currency": invoice.state.currency,
        "issuer": known.issuer,
        "customer": known.customers[invoice.state.tenant_id],
        "lines": [
            {"description": line.description, "supplied_on": line.supplied_on, "tax": line.tax}
            for line in invoice.lines
        ],
        "taxes": taxes_content(invoice.taxes),
        "issuer_currency": {"currency": known.own},
    }


def _why_not(invoice: ComputedInvoice, known: _Known) -> Unbillable | None:
    state = invoice.state
    if not is_of_value(invoice.lines):
        return None
    missing = missing_particulars(_content(invoice, known))
    if missing:
        detail = f"No number is given before this is filled in: {in_words(missing)}."
        return Unbillable(state, PARTICULARS_MISSING, detail)
    problems = tax_problems(invoice.lines)
    if problems:
        return Unbillable(state, TAX_UNKNOWN, " ".join(problems))
    needs_rate = known.own and state.currency != known.own and bears_tax(invoice)
    if needs_rate and state.currency not in known.ways:
        detail = (
            f"The tax is owed in {known.own}, and no rate between {state.currency} and {known.own} of the day of issue"
            f" or the {DAYS_OLD_MAX} days before is known: import the bank's file, or enter one."
        )
        return Unbillable(state, RATE_MISSING, detail)
    return None
