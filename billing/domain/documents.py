"""What a finalized invoice and a credit note say: a snapshot in plain values, the one source of every rendering."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, Final

from accounts.domain.plain import canonical_json, plain_decimal, plain_instant
from billing.domain.exchange import Conversion
from billing.domain.invoicing.computing import ComputedInvoice
from billing.domain.invoicing.lines import LineDraft
from billing.domain.invoicing.taxes import TaxRow
from billing.domain.languages import ENGLISH
from billing.domain.money import currency_digits
from billing.domain.tax import TaxDecision
from metering.domain.periods import Span, last_local_day, local_day

ISSUER_FIELDS: Final = (
    "legal_name", "address_line1", "address_line2", "postal_code", "city", "country", "tax_id", "registration",
    "email", "phone",
    "website", "bank_account", "payment_terms", "footer",
)  # fmt: skip
CUSTOMER_FIELDS: Final = (
    "name", "slug", "legal_name", "billing_email", "address_line1", "address_line2", "postal_code", "city", "region",
    "country",
    "tax_id",
)  # fmt: skip

# The series of what a merchant of record sold: no invoice of the issuer's, so not among the numbers of its invoices.
STATEMENT_PREFIX: Final = "STMT"


@dataclass(frozen=True, slots=True)
class Heading:
    """The head of a document. `issuer` and `customer` map the names of ISSUER_FIELDS and CUSTOMER_FIELDS to texts.

    `charged_to` names the card that will be charged automatically; it is empty if the customer has to pay.
    `paid_minor` is the part that is paid from money kept for the customer. `replaces` is the document that this one
    replaces. `language` is the language of the document. `purchase_order` is the customer's own order number.
    `logo` is the SHA-256 of the picture at the head of the document, or empty. `merchant` is the merchant of record
    that sold what it says: then it is a usage statement, and the merchant's receipt the tax document.
    """

    number: str
    issued_on: date
    due_on: date
    payment_days: int
    payment_url: str
    charged_to: str
    issuer: Mapping[str, str]
    customer: Mapping[str, str]
    paid_minor: int = 0
    replaces: "Replaced | None" = None
    language: str = ENGLISH
    purchase_order: str = ""
    logo: str = ""
    merchant: str = ""


@dataclass(frozen=True, slots=True)
class Replaced:
    """An invoice in whose place another one is issued, and the credit note that took it back, or nothing."""

    number: str
    issued_on: date
    credit_note: str = ""


def invoice_content(
    heading: Heading, computed: ComputedInvoice, conversion: Conversion | None = None
) -> dict[str, object]:
    """Return the whole content of an invoice; `conversion` is given if tax is also shown in the seller's currency.

    Amounts are minor units, rates and quantities texts, days ISO dates with the last day included.
    """
    state = computed.state
    first, last = days_of(state.covered, state.time_zone)
    own: dict[str, object] = (
        {} if conversion is None else {"issuer_currency": own_currency_content(computed.taxes, conversion)}
    )
    own |= {"logo": heading.logo} if heading.logo else {}
    own |= {"merchant": heading.merchant} if heading.merchant else {}
    return {
        "kind": "invoice",
        "number": heading.number,
        "language": heading.language,
        "purchase_order": heading.purchase_order,
        "currency": state.currency,
        "digits": currency_digits(state.currency),
        "issued_on": heading.issued_on.isoformat(),
        "due_on": heading.due_on.isoformat(),
        "payment_days": heading.payment_days,
        "payment_url": heading.payment_url,
        "charged_to": heading.charged_to,
        "time_zone": state.time_zone,
        "period": {"first_day": first, "last_day": last, **_instants(state.covered)},
        "issuer": dict(heading.issuer),
        "customer": dict(heading.customer),
        "lines": lines_content(computed.lines, state.time_zone),
        "subtotal_minor": computed.subtotal_minor,
        "taxes": taxes_content(computed.taxes),
        "tax_minor": computed.tax_minor,
        "carried_minor": computed.carried_minor,
        "total_minor": computed.total_minor,
        "paid_minor": heading.paid_minor,
        "due_minor": computed.total_minor - heading.paid_minor,
        **own,
        **_replaced_content(heading.replaces),
    }


def _replaced_content(replaced: Replaced | None) -> dict[str, object]:
    if replaced is None:
        return {}
    issued_on = replaced.issued_on.isoformat()
    return {"replaces": {"number": replaced.number, "issued_on": issued_on, "credit_note": replaced.credit_note}}


def own_currency_content(rows: Sequence[TaxRow], conversion: Conversion) -> dict[str, object]:
    """Return the taxes in the seller's currency as a document says them; `taxes_minor` is in the order of the rows."""
    taxes_minor = [conversion.amount_minor(row.tax_minor) for row in rows]
    return {
        "currency": conversion.currency,
        "taxes_minor": taxes_minor,
        "tax_minor": sum(taxes_minor),
        "rates": [
            {"per": rate.per, "currency": rate.currency, "rate": plain_decimal(rate.rate)} for rate in conversion.rates
        ],
        "day": conversion.day.isoformat(),
        "source": conversion.rates[0].source,
        "words": conversion.words(),
    }


def lines_content(lines: Sequence[LineDraft], time_zone: str) -> list[dict[str, object]]:
    """Return lines as a document says them; positions count from 1.

    Lines from before lines bore their tax say none.
    """
    content: list[dict[str, object]] = []
    for position, line in enumerate(lines, start=1):
        first, last = days_of(line.period, time_zone)
        content.append(
            {
                "position": position,
                "kind": line.kind,
                "description": line.description,
                "period": {"first_day": first, "last_day": last, **_instants(line.period)},
                "quantity": plain_decimal(line.quantity),
                "unit": line.unit,
                "amount_minor": line.amount_minor,
                "explanation": dict(line.explanation),
            }
        )
        if line.supplied_on is not None:
            content[-1]["supplied_on"] = line.supplied_on.isoformat()
            content[-1]["tax"] = tax_content(line.tax)
    return content


def tax_content(tax: TaxDecision | None) -> dict[str, str] | None:
    """Return the tax that a line bears as a document says it; a line that settles credit bears none."""
    if tax is None:
        return None
    return {
        "category": tax.category.value,
        "rate": plain_decimal(tax.percent),
        "reason": tax.note,
        "name": tax.name,
        "jurisdiction": tax.jurisdiction,
    }


def taxes_content(rows: Sequence[TaxRow]) -> list[dict[str, object]]:
    """Return the taxes of an invoice as a document says them, one row for each category and rate."""
    return [
        {
            "name": row.tax.name,
            "percent": plain_decimal(row.tax.percent),
            "treatment": row.tax.treatment.value,
            "note": row.tax.note,
            "category": row.tax.category.value,
            "jurisdiction": row.tax.jurisdiction,
            "base_minor": row.base_minor,
            "amount_minor": row.tax_minor,
        }
        for row in rows
    ]


def credit_note_content(
    invoice_content: Mapping[str, object], *, number: str, issued_on: date, reason: str, replaced_by: str = ""
) -> dict[str, object]:
    """Return the content of a credit note that takes back the whole invoice: the invoice's, under the note's number.

    `replaced_by` is the number of the invoice that takes its place, if one does.
    """
    return {
        **invoice_content,
        "kind": "credit_note",
        "number": number,
        "invoice_number": invoice_content["number"],
        "invoice_issued_on": invoice_content["issued_on"],
        "issued_on": issued_on.isoformat(),
        "due_on": None,
        "reason": reason,
        "payment_url": "",
        **({"replaced_by": replaced_by} if replaced_by else {}),
    }


def credit_in_part_content(
    invoice_content: Mapping[str, Any],
    *,
    number: str,
    issued_on: date,
    reason: str,
    amounts: Mapping[int, int],
    taxes: Sequence[TaxRow],
    conversion: Conversion | None,
) -> dict[str, object]:
    """Return the content of a credit note over `amounts` (without tax) of the lines at these positions."""
    left_out = {"paid_minor", "due_minor", "replaces", "issuer_currency"}
    whole = credit_note_content(invoice_content, number=number, issued_on=issued_on, reason=reason)
    lines = [
        {**line, "kind": "credit", "amount_minor": amounts[line["position"]], "explanation": {"model": "credited"}}
        for line in invoice_content["lines"]
        if line["position"] in amounts
    ]
    subtotal_minor, tax_minor = sum(amounts.values()), sum(row.tax_minor for row in taxes)
    own = {} if conversion is None else {"issuer_currency": own_currency_content(taxes, conversion)}
    return {
        **{name: value for name, value in whole.items() if name not in left_out},
        "is_in_part": True,
        "lines": lines,
        "subtotal_minor": subtotal_minor,
        "taxes": taxes_content(taxes),
        "tax_minor": tax_minor,
        "carried_minor": 0,
        "total_minor": subtotal_minor + tax_minor,
        **own,
    }


def digest_of_content(content: Mapping[str, object]) -> str:
    """Return the SHA-256 of a content as 64 hexadecimal digits; the order of names does not matter."""
    return sealed_content(content)[1]


def sealed_content(content: Mapping[str, object]) -> tuple[bytes, str]:
    """Return the one JSON text of a content, and the SHA-256 of it."""
    text = canonical_json(content)
    return text, hashlib.sha256(text).hexdigest()


@lru_cache(maxsize=1024)
def days_of(span: Span, time_zone: str) -> tuple[str, str]:
    """Return the first and the last day of a span as ISO dates; an empty span has one day."""
    return local_day(span.start, time_zone).isoformat(), last_local_day(span, time_zone).isoformat()


def _instants(span: Span) -> dict[str, str]:
    return {"start": plain_instant(span.start), "end": plain_instant(span.end)}
