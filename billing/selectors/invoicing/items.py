"""Single items that wait for an invoice: those that none took, and credits on documents that are not in force."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.db.models import F, OuterRef, Q, Subquery

from accounts.sql import fetch_all
from billing.domain.invoicing.items import OpenItem
from billing.domain.invoicing.lines import LineDraft
from billing.domain.invoicing.state import BillingState
from billing.domain.statuses import InvoiceStatus
from billing.domain.tax import TaxDecision
from billing.models import Invoice, InvoiceKind, InvoiceLine, LineKind, SingleItem
from billing.selectors.invoicing.in_force import IS_GONE, tax_borne, taxes_again

MAY_WAIT = """
SELECT EXISTS (
    SELECT FROM billing_singleitem
    WHERE subscription_id = ANY(%(subscription_ids)s) AND cancelled_at IS NULL
        AND (invoice_id IS NULL OR amount_minor < 0)
)
"""


def with_items(states: Sequence[BillingState]) -> list[BillingState]:
    """Return the states, each with the items that wait for its invoice, the oldest first.

    If an earlier invoice of the subscription is a draft, that one takes them.
    """
    boundaries = {state.subscription_id: state.boundary for state in states}
    if not fetch_all(MAY_WAIT, {"subscription_ids": list(boundaries)})[0][0]:
        return list(states)  # nearly always, without the query below
    drafts = Invoice.objects.filter(
        subscription=OuterRef("subscription"), status=InvoiceStatus.DRAFT, kind=InvoiceKind.PERIOD
    )
    rows = list(
        SingleItem.objects.filter(
            Q(invoice=None) | (Q(amount_minor__lt=0) & IS_GONE), subscription__in=boundaries, cancelled_at=None
        )
        .annotate(drafted=Subquery(drafts.values("boundary")[:1]))
        .order_by("created_at", "pk")
    )
    borne = _taxes_borne([row for row in rows if row.invoice_id is not None])
    waiting: dict[UUID | None, list[OpenItem]] = defaultdict(list)
    for row in rows:
        if row.drafted is None or row.drafted >= boundaries[row.subscription_id]:
            waiting[row.subscription_id].append(OpenItem(row.pk, row.item, row.invoice_id, borne.get(row.pk)))
    return [replace(state, items=tuple(waiting[state.subscription_id])) for state in states]


def items_said(lines: Sequence[LineDraft]) -> list[UUID]:
    """Return the items that lines name, in their order."""
    return [
        UUID(str(line.explanation["item"]))
        for line in lines
        if line.kind == LineKind.ONE_OFF and "item" in line.explanation
    ]


def _taxes_borne(rows: Sequence[Any]) -> Mapping[UUID, TaxDecision | None]:
    """Return by item the tax that it bears on the document that took it, or on the last one in its place."""
    if not rows:
        return {}
    lines = list(
        InvoiceLine.objects.filter(
            invoice__in={row.invoice_id for row in rows}, revision=F("invoice__revision"), kind=LineKind.ONE_OFF
        ).select_related("invoice")
    )
    again = taxes_again(lines)
    return {UUID(line.explanation["item"]): tax_borne(line, again) for line in lines}
