"""Drafting: subscriptions whose boundary has come get their invoice as a draft, and move on to their next period.

Both happen in one transaction for a batch, so a crash leaves either nothing or all of it; several workers share the
work, since each passes over what another has locked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import prefetch_related_objects

from accounts.domain.actor import Actor
from accounts.domain.identifiers import uuid7
from accounts.notices.services.outbox import add_to_outbox
from accounts.services.collecting import without_collecting
from accounts.sql import as_json, fetch_all
from billing.domain.happenings import InvoiceDrafted, SubscriptionCancelled, SubscriptionHappening, SubscriptionUpdated
from billing.domain.invoicing.computing import ComputedInvoice
from billing.domain.invoicing.state import BillingState
from billing.domain.statuses import InvoiceStatus, SubscriptionStatus
from billing.models import Invoice, Issuer, Subscription, SubscriptionPhase
from billing.selectors.facts import facts_of_draft
from billing.selectors.invoicing.computation import Unbillable, compute_invoices
from billing.selectors.invoicing.due import Due, due_subscriptions
from billing.selectors.invoicing.states import states_at_due
from billing.services.invoicing.exceptions import park
from billing.services.invoicing.lines import store_lines
from billing.services.subscriptions.recording import announce, described
from metering.alerts.services.agreements import set_agreement
from metering.models import UsagePlan
from metering.services.usage_plans import assign_default_usage_plan, assign_usage_plan, set_period_anchor

BATCH_SIZE: Final = 500
SCHEDULER: Final = Actor.system("invoicing")

ADVANCE = """
UPDATE billing_subscription AS s SET
    next_boundary = a.next_boundary, due_at = a.due_at, period_start = a.period_start, period_end = a.period_end,
    status = a.status,
    plan_version_id = a.plan_version_id, pending_plan_version_id = NULL, is_cancelled_at_period_end = false,
    ended_at = a.ended_at,
    version = s.version + 1
FROM jsonb_to_recordset(%(advances)s::jsonb) AS a(
    id uuid, next_boundary int, due_at timestamptz, period_start timestamptz, period_end timestamptz, status text,
    plan_version_id bigint,
    ended_at timestamptz)
WHERE s.id = a.id
RETURNING s.id
"""

# A draft is given by the names of all columns. As thousands of values, quoting them took longer than storing them.
ADD_DRAFTS = """
INSERT INTO billing_invoice SELECT d.* FROM jsonb_populate_recordset(NULL::billing_invoice, %(drafts)s::jsonb) AS d
"""


@dataclass(frozen=True, slots=True)
class Drafted:
    """What a batch did: the drafts, the subscriptions that a person has to look at, and how many owed nothing."""

    invoice_ids: tuple[UUID, ...] = ()
    parked: tuple[Unbillable, ...] = ()
    without_lines: int = 0

    @property
    def is_empty(self) -> bool:
        """Return whether there was nothing left to do."""
        return not self.invoice_ids and not self.parked and not self.without_lines


def draft_batch(*, as_of: datetime, due: Due, size: int = BATCH_SIZE) -> Drafted:
    """Draft the invoices of at most `size` subscriptions. Call again until it returns an empty batch."""
    with without_collecting(), transaction.atomic():
        locked = due_subscriptions(as_of, due).select_for_update(skip_locked=True, no_key=True, of=("self",))[:size]
        subscriptions = _still_due(list(locked))
        if not subscriptions:
            return Drafted()
        computed = compute_invoices(states_at_due(subscriptions))
        parked = tuple(invoice for invoice in computed if isinstance(invoice, Unbillable))
        for unbillable in parked:
            park(unbillable, as_of=as_of)
        billed = [
            (subscription, invoice)
            for subscription, invoice in zip(subscriptions, computed, strict=True)
            if isinstance(invoice, ComputedInvoice)
        ]
        # A trial that ends with the subscription owes nothing, not even an invoice over nothing.
        with_lines = [invoice for _, invoice in billed if invoice.lines]
        invoice_ids = _store_drafts(with_lines, as_of)
        _advance(billed, as_of)
    return Drafted(tuple(invoice_ids), parked, len(billed) - len(with_lines))


def _still_due(locked: Sequence[Subscription]) -> list[Subscription]:
    """Return those that no other worker drafted between our look and our lock.

    The next invoice of a subscription that is several periods behind is due already.
    """
    drafted = set(
        Invoice.objects.filter(subscription__in=[row.pk for row in locked], status=InvoiceStatus.DRAFT).values_list(
            "subscription_id", flat=True
        )
    )
    return [subscription for subscription in locked if subscription.pk not in drafted]


def _store_drafts(computed: Sequence[ComputedInvoice], as_of: datetime) -> list[UUID]:
    grace = timedelta(minutes=Issuer.objects.values_list("grace_minutes", flat=True).get(pk=1))
    invoice_ids = [uuid7(as_of) for _ in computed]
    # Every column is named, as an object of the ORM would have it; making one for each draft took longer than storing.
    blank = {name: value for name, value in vars(Invoice()).items() if name != "_state"}
    numbered = list(zip(invoice_ids, computed, strict=True))
    drafts = [blank | _columns_of(invoice_id, invoice, grace, as_of) for invoice_id, invoice in numbered]
    fetch_all(ADD_DRAFTS, {"drafts": as_json(drafts)})
    store_lines((invoice_id, 1, invoice) for invoice_id, invoice in numbered)
    add_to_outbox(
        (InvoiceDrafted(facts_of_draft(invoice_id, invoice)) for invoice_id, invoice in numbered), as_of=as_of
    )
    return invoice_ids


def _columns_of(invoice_id: UUID, computed: ComputedInvoice, grace: timedelta, as_of: datetime) -> dict[str, object]:
    """Return what a draft has in other columns than an empty invoice."""
    state = computed.state
    assert state.subscription_id is not None, "a preview is not stored"
    # A fee alone waits for no usage.
    waits = grace if state.boundary else timedelta()
    return {
        "id": invoice_id,
        "tenant_id": state.tenant_id,
        "subscription_id": state.subscription_id,
        "boundary": state.boundary,
        "currency": state.currency,
        "period_start": state.covered.start,
        "period_end": state.covered.end,
        "lines_digest": computed.lines_digest,
        "subtotal_minor": computed.subtotal_minor,
        "tax_minor": computed.tax_minor,
        "carried_minor": computed.carried_minor,
        "total_minor": computed.total_minor,
        "drafted_at": as_of,
        "computed_at": as_of,
        "finalize_after": state.closes_at + waits,
    }


def _advance(billed: Sequence[tuple[Subscription, ComputedInvoice]], as_of: datetime) -> None:
    """Move each subscription on to the period that its boundary opens, or to its end.

    A change that waited for the boundary takes effect.
    """
    if not billed:
        return
    advances = [_advanced(subscription, invoice.state) for subscription, invoice in billed]
    moved = fetch_all(ADVANCE, {"advances": as_json(advances)})
    assert len(moved) == len(billed), "the subscriptions are locked"
    changed = [(s, c.state) for s, c in billed if s.pending_plan_version_id is not None and c.state.opened is not None]
    SubscriptionPhase.objects.bulk_create(
        SubscriptionPhase(
            subscription=subscription,
            plan_version_id=state.version_at(state.closes_at).id,
            starts_at=state.closes_at,
            created_at=as_of,
        )
        for subscription, state in changed
    )
    for subscription, state in changed:
        usage_plan = UsagePlan.objects.get(pk=state.version_at(state.closes_at).usage_plan_id)
        assign_usage_plan(tenant=subscription.tenant, usage_plan=usage_plan, actor=SCHEDULER, as_of=as_of)
    ended = [s for s, c in billed if c.state.is_ending and s.ended_at is None]
    for subscription in ended:
        set_agreement(tenant_id=subscription.tenant_id, agreement_id=None)
        set_period_anchor(tenant_id=subscription.tenant_id, anchor_on=None)
        assign_default_usage_plan(tenant=subscription.tenant, actor=SCHEDULER, as_of=as_of)
    _announce(SubscriptionUpdated, [subscription for subscription, _ in changed], as_of)
    _announce(SubscriptionCancelled, ended, as_of)


def _announce(happening: type[SubscriptionHappening], subscriptions: Sequence[Subscription], as_of: datetime) -> None:
    """Write what happened into the outbox, for subscriptions that were read before they were moved on."""
    prefetch_related_objects(subscriptions, "plan_version__plan", "pending_plan_version__plan")
    now = Subscription.objects.select_related("tenant", "plan_version__plan").in_bulk([row.pk for row in subscriptions])
    for row in subscriptions:
        announce(now[row.pk], happening, before=described(row), actor=SCHEDULER, as_of=as_of)


def _advanced(subscription: Subscription, state: BillingState) -> dict[str, object]:
    opened = state.opened
    if opened is None:
        return {
            "id": subscription.pk,
            "next_boundary": state.boundary + 1,
            "due_at": state.looks_again_at,
            "period_start": subscription.period_start,
            "period_end": subscription.period_end if subscription.ended_at else state.closes_at,
            "status": SubscriptionStatus.CANCELLED.value,
            "plan_version_id": subscription.plan_version_id,
            "ended_at": subscription.ended_at or state.closes_at,
        }
    is_trial_over = subscription.status == SubscriptionStatus.TRIALING
    return {
        "id": subscription.pk,
        "next_boundary": state.boundary + 1,
        "due_at": opened.end,
        "period_start": opened.start,
        "period_end": opened.end,
        "status": SubscriptionStatus.ACTIVE.value if is_trial_over else subscription.status,
        "plan_version_id": subscription.pending_plan_version_id or subscription.plan_version_id,
        "ended_at": None,
    }
