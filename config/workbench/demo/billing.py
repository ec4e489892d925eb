"""The demo's money: half a year of subscriptions, invoices and payments, by the real services.

Each step checks what exists, so the next run completes a killed one, and a later run adds what is new.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import Final
from uuid import UUID

from django.db.models import Max
from django.test.utils import override_settings

from accounts.domain.actor import Actor
from accounts.models import AuditEntry, Tenant
from accounts.notices.services.mails import send_queued_mails
from billing.banking.models import BankStatement
from billing.collection.gateways.registry import configured_providers
from billing.collection.selectors.providers import described_providers, merchant_named
from billing.collection.services.choosing import choose_provider
from billing.domain.invoicing.plausibility import AmountCheck
from billing.domain.statuses import InvoiceStatus
from billing.ledger.models import ClosedMonth
from billing.ledger.selectors.months import first_open_month
from billing.ledger.services.closing import close_months
from billing.models import (
    MANUAL_PROVIDER,
    Invoice,
    Issuer,
    Payment,
    Plan,
    PlanVersion,
    PricingQuestion,
    RefundWay,
    Subscription,
)
from billing.rendering.services.logos import keep_logo
from billing.selectors.invoicing.due import Due
from billing.selectors.issuer import issuers_day
from billing.selectors.subscriptions.current import current_subscription
from billing.services.catalog.plans import create_plan, publish_version
from billing.services.documents.deliveries import deliver_documents
from billing.services.invoicing.issuer import update_issuer
from billing.services.invoicing.payments import record_manual_payment, record_payment
from billing.services.invoicing.refunding import record_refund
from billing.services.invoicing.running import run_invoicing
from billing.services.invoicing.staff_actions import issue_credit_note, mark_uncollectible
from billing.services.subscriptions.changes import When, cancel_subscription, change_plan
from billing.services.subscriptions.profiles import (
    billing_profile_of,
    keep_card,
    keep_merchant,
    update_billing_profile,
)
from billing.services.subscriptions.standing import refresh_standing
from billing.services.subscriptions.subscribing import subscribe
from billing.taxation.services.tax_settings import confirm_tax_rules
from config.workbench.demo.cast import CHANGED_TAX_TENANT, DemoTenant
from config.workbench.demo.catalogue import ISSUER, PRODUCTS, QUESTIONS, drawn_logo, offer_of
from config.workbench.demo.dunning import decline, declining, follow_up, succeeding
from config.workbench.demo.fakes import payment_reference, returned_reference
from config.workbench.demo.told_in_time import add_findings
from config.workbench.demo.transfers import (
    IN_STATEMENT,
    STATEMENT_DAYS,
    Transfer,
    dispute_a_payment,
    import_demo_statement,
)
from metering.alerts.models import ThresholdAlert
from metering.alerts.services.monitoring import monitor_thresholds
from metering.domain.event_input import parse_event
from metering.domain.events import IngestRules, ParsedEvent
from metering.domain.periods import YearMonth, anchored_span
from metering.selectors.catalog import known_event_types
from metering.selectors.ledgers import half_of
from metering.services.ingest import ingest_events

# After this, late usage has arrived and drafts are due.
GRACE: Final = timedelta(minutes=90)
ROUND: Final = timedelta(hours=6)
LATE_EVENTS: Final = 60
OPEN_MONTHS: Final = 3
CARD: Final = next(name for name, _ in described_providers())  # the preferred provider
TRANSFER: Final = MANUAL_PROVIDER
PADDLE: Final = "paddle"  # the merchant of record, whose documents are usage statements
CARD_LABEL: Final = "Visa ending in 4242"
DECLINED_SINCE: Final = timedelta(days=4)  # so that the demo is in the middle of the schedule
Act = Callable[[datetime], None]


@dataclass(frozen=True, slots=True)
class Story:
    """How a tenant pays, and the fate of its subscription. Boundaries count from 0, days from an invoice's issue."""

    pays_by: str = TRANSFER
    pays_after_days: int = 9
    unpaid_last: int = 0
    is_declined: bool = False
    declined_boundary: int | None = None
    began_on: str | None = None
    upgrade_after_days: int | None = None
    late_boundary: int | None = None
    pending_plan: str | None = None
    is_leaving: bool = False
    takes_back_boundary: int | None = None
    credit_boundary: int | None = None
    is_limited: bool = False
    profile: Mapping[str, object] = field(default_factory=dict)


STORIES: Final[dict[str, Story]] = {
    "northwind-maps": Story(
        CARD,
        0,
        began_on="growth",
        upgrade_after_days=77,
        late_boundary=4,
        profile={"language": "de", "purchase_order": "NWM 4500012345"},
    ),
    "cedar-atelier": Story(profile={"language": "fr", "purchase_order": "BC-2026-071"}),
    "harbor-analytics": Story(CARD, 0, pending_plan="growth"),
    "lumen-weather": Story(pays_after_days=12, is_limited=True),
    "kestrel-logistics": Story(pays_after_days=21, is_leaving=True, takes_back_boundary=2),
    "sakura-payments": Story(
        profile={"tax_treatment": "exempt", "tax_exemption_reason": "Services outside of the EU."}
    ),
    "fjord-robotics": Story(CARD, 1, credit_boundary=3, declined_boundary=2),
    CHANGED_TAX_TENANT: Story(pays_after_days=6),
    "bluebird-travel": Story(PADDLE, 0),
    "atlas-freight": Story(CARD, 0, unpaid_last=1, is_declined=True),
    "oldgate-devices": Story(unpaid_last=3),
}


def ensure_catalogue(*, actor: Actor, as_of: datetime) -> None:
    """Create the issuer and the plans, if staff have not created their own."""
    if not Issuer.objects.exclude(tax_id="").exists():
        changes = ISSUER | {"logo": keep_logo(content=drawn_logo(), as_of=as_of)}
        update_issuer(changes=changes, actor=actor, as_of=as_of)
        confirm_tax_rules(actor=actor, as_of=as_of)
    for position, product in enumerate(PRODUCTS):
        plan = Plan.objects.filter(code=product.code).first()
        if plan is None:
            plan = create_plan(
                code=product.code,
                name=product.name,
                description=product.description,
                mark=product.mark,
                features="\n".join(product.features),
                position=position,
                actor=actor,
                as_of=as_of,
            )
        if not plan.versions.exists():
            publish_version(plan=plan, offer=offer_of(product), actor=actor, as_of=as_of)
    if not PricingQuestion.objects.exists():
        PricingQuestion.objects.bulk_create(
            PricingQuestion(question=question, answer=answer, position=position)
            for position, (question, answer) in enumerate(QUESTIONS)
        )


def ensure_subscription(*, planned: DemoTenant, tenant: Tenant, actor: Actor, staff: Actor) -> None:
    """Subscribe the tenant, once, on the day on which it joined; its terms are for staff to set."""
    story = STORIES.get(planned.slug, Story())
    billing_profile_of(tenant.pk)
    if story.profile:
        update_billing_profile(tenant=tenant, changes=story.profile, actor=staff, as_of=tenant.created_at)
    if Subscription.objects.of_tenant(tenant.pk).exists():
        return
    if story.pays_by == PADDLE:
        keep_merchant(tenant_id=tenant.pk, merchant=merchant_named(PADDLE))
        if PADDLE in {provider.name for provider in configured_providers()}:
            choose_provider(tenant=tenant, provider=PADDLE, actor=staff, as_of=tenant.created_at)
    version = _version(story.began_on or planned.plan)
    subscribe(
        tenant=tenant, plan_version=version, actor=actor, as_of=tenant.created_at + timedelta(hours=2), trial_days=0
    )


def add_invoices(*, tenants: Sequence[Tenant], actor: Actor, as_of: datetime) -> int:
    """Close every period up to now, moment by moment, with what happened in between.

    Return the number of invoices.
    """
    due = Due(tenant_ids=[tenant.pk for tenant in tenants])
    held_since = None if BankStatement.objects.exists() else as_of - STATEMENT_DAYS
    for moment, act in [*_moments(tenants, actor, as_of), (as_of, None)]:
        run_invoicing(as_of=moment, due=due)
        _deliver(moment)
        if act is not None:
            act(moment)
        for tenant in tenants:
            _settle(tenant, moment, held_since)
    _settle_by_statement(tenants, actor, as_of)
    for tenant in tenants:
        _finish(tenant, actor, as_of)
    dispute_a_payment(tenants=tenants, as_of=as_of)
    issued: int = Invoice.objects.filter(tenant__in=tenants).issued().count()
    return issued


def close_old_months(*, actor: Actor, as_of: datetime) -> None:
    """Close the books up to three months ago, unless a month was closed before."""
    today = issuers_day(as_of)
    month, first = YearMonth.of(today).plus(-OPEN_MONTHS).first_day(), first_open_month()
    if first is not None and first <= month and not ClosedMonth.objects.exists():
        close_months(month=month, today=today, actor=actor, as_of=as_of)


def add_alerts(*, tenants: Sequence[Tenant], as_of: datetime) -> None:
    """Check quotas for each day since the last alert, and usage for what is unusual; drop the mails."""
    ids = [tenant.pk for tenant in tenants]
    last = ThresholdAlert.objects.filter(tenant__in=ids, kind="threshold").aggregate(last=Max("occurred_at"))["last"]
    moment = last or min(tenant.created_at for tenant in tenants)
    while moment < as_of:
        monitor_thresholds(as_of=moment, tenant_ids=ids)
        moment += timedelta(days=1)
    monitor_thresholds(as_of=as_of, tenant_ids=ids)
    add_findings(tenants=tenants, as_of=as_of)
    _deliver(as_of)


def _deliver(moment: datetime) -> None:
    """Create the PDFs, and mark the mails as sent without sending them: the addresses are made up."""
    while deliver_documents(as_of=moment).documents:
        pass
    with override_settings(EMAIL_BACKEND="django.core.mail.backends.dummy.EmailBackend"):
        while send_queued_mails(as_of=moment):
            pass


def _moments(tenants: Sequence[Tenant], actor: Actor, as_of: datetime) -> list[tuple[datetime, Act | None]]:
    """List the moments to close periods at, in steps of some hours, and the acts in between."""
    closings: set[datetime] = set()
    acts: list[tuple[datetime, Act]] = []
    limited_at: dict[UUID, tuple[datetime, Act]] = {}  # only for each subscription before the last boundary
    for subscription in Subscription.objects.filter(tenant__in=tenants).select_related("tenant"):
        story = STORIES.get(subscription.tenant.slug, Story())
        for boundary in count(subscription.next_boundary):
            instant = _boundary(subscription, boundary)
            if instant + GRACE > as_of:
                break
            # Nothing is invoiced before the subscription began, although its first period counts from midnight.
            closings.add(min(_rounded_up(max(instant, subscription.started_at) + GRACE), as_of))
            if story.is_limited and boundary > 1:
                limited_at[subscription.pk] = (instant - timedelta(days=1), partial(_limit, subscription, actor))
        if story.upgrade_after_days is not None and subscription.phases.count() == 1:
            at = subscription.started_at + timedelta(days=story.upgrade_after_days, hours=7)
            acts.append((at, partial(_upgrade, subscription, actor)))
        if story.late_boundary is not None and subscription.next_boundary <= story.late_boundary:
            instant = _boundary(subscription, story.late_boundary)
            acts.append((instant + timedelta(days=4), partial(_report_late, subscription.tenant, instant)))
    moments: list[tuple[datetime, Act | None]] = [(moment, None) for moment in closings]
    moments += [(at, act) for at, act in (*acts, *limited_at.values()) if at <= as_of]
    return sorted(moments, key=lambda moment: moment[0])


def _boundary(subscription: Subscription, boundary: int) -> datetime:
    return anchored_span(subscription.anchor_at, boundary, subscription.time_zone).start


def _rounded_up(instant: datetime) -> datetime:
    start = instant.replace(hour=instant.hour // 6 * 6, minute=0, second=0, microsecond=0)
    return start + ROUND


def _upgrade(subscription: Subscription, actor: Actor, moment: datetime) -> None:
    change_plan(subscription=subscription, plan_version=_version("scale"), when=When.NOW, actor=actor, as_of=moment)


def _limit(subscription: Subscription, actor: Actor, moment: datetime) -> None:
    """Set a limit of half of the highest invoice so far, once, so that the next invoice waits for staff."""
    tenant = subscription.tenant
    changed = AuditEntry.objects.filter(tenant_id=tenant.pk, action="tenant.billing_updated", actor_label=actor.label)
    highest = Invoice.objects.of_tenant(tenant.pk).issued().aggregate(minor=Max("total_minor"))
    if not changed.exists() and highest["minor"]:
        limit = {"amount_check": AmountCheck.LIMIT.value, "amount_max_minor": highest["minor"] // 2}
        update_billing_profile(tenant=tenant, changes=limit, actor=actor, as_of=moment)


def _report_late(tenant: Tenant, boundary: datetime, moment: datetime) -> None:
    """Report usage of before the boundary after the invoice, as if a gateway was offline: the next one corrects it."""
    rules = IngestRules(moment - timedelta(days=tenant.backfill_days), moment, known_event_types())
    events = []
    for n in range(LATE_EVENTS):
        occurred_at = boundary - timedelta(hours=9) + timedelta(minutes=2 * n)
        properties = {"http_method": "GET", "resource_path": "/v1/routes", "status": 200, "response_length": 9_500}
        item = {
            "id": f"late-{boundary:%Y%m%d}-{n}",
            "type": "http_request",
            "timestamp": occurred_at.isoformat(),
            "properties": properties,
        }
        events.append(parse_event(item, n, moment, rules))
    parsed = [event for event in events if isinstance(event, ParsedEvent)]
    ledger = half_of(tenant, is_live=True)
    ingest_events(ledger=ledger, events=parsed, api_key_id=None, as_of=moment)


def _settle(tenant: Tenant, moment: datetime, held_since: datetime | None) -> None:
    """Pay what was due by then, by the tenant's story; leave open what the bank statement of the end is to pay."""
    story = STORIES.get(tenant.slug, Story())
    for invoice, pays_at in _paid_by(tenant, story, moment):
        if tenant.slug in IN_STATEMENT and held_since is not None and pays_at > held_since:
            continue
        if invoice.boundary == story.declined_boundary:
            assert invoice.finalized_at is not None, "it is issued"
            keep_card(tenant_id=tenant.pk, card_label=CARD_LABEL)
            decline(invoice, provider=story.pays_by, at=invoice.finalized_at + timedelta(minutes=7))
            follow_up(tenant=tenant, until=pays_at, charge=succeeding(story.pays_by))
            continue
        _pay(invoice, story, pays_at)


def _paid_by(tenant: Tenant, story: Story, moment: datetime) -> Iterator[tuple[Invoice, datetime]]:
    """Yield the unpaid invoices that the tenant has paid by a moment, each with the time of its payment."""
    unpaid = Invoice.objects.of_tenant(tenant.pk).unpaid().filter(boundary__isnull=False).order_by("boundary")
    last = Invoice.objects.of_tenant(tenant.pk).issued().count() - story.unpaid_last
    for invoice in unpaid.select_related("tenant"):
        assert invoice.finalized_at is not None, "it is issued"
        pays_at = invoice.finalized_at + timedelta(days=story.pays_after_days, minutes=7)
        is_kept_open = story.unpaid_last and invoice.boundary >= last
        if pays_at <= moment and not is_kept_open and invoice.boundary != story.takes_back_boundary:
            yield invoice, pays_at


def _pay(invoice: Invoice, story: Story, pays_at: datetime) -> None:
    record_payment(
        invoice_id=invoice.pk,
        provider=story.pays_by,
        reference=payment_reference(story.pays_by, invoice),
        amount_minor=invoice.amount_due_minor,
        currency=invoice.currency,
        occurred_at=pays_at,
        as_of=pays_at,
    )


def _settle_by_statement(tenants: Sequence[Tenant], actor: Actor, as_of: datetime) -> None:
    """Pay what was held back: of each tenant the latest by the bank statement, and the ones before one by one."""
    transfers = []
    for tenant in tenants:
        story = STORIES.get(tenant.slug, Story())
        held = list(_paid_by(tenant, story, as_of)) if tenant.slug in IN_STATEMENT else []
        for invoice, pays_at in held[:-1]:
            _pay(invoice, story, pays_at)
        transfers += [Transfer(*one) for one in held[-1:]]
    import_demo_statement(transfers=transfers, actor=actor, as_of=as_of)


def _finish(tenant: Tenant, actor: Actor, as_of: datetime) -> None:
    """Create what is in progress now: a declined card, a pending change, credit notes, and the money of these."""
    story = STORIES.get(tenant.slug, Story())
    if story.pays_by in {CARD, PADDLE}:
        keep_card(tenant_id=tenant.pk, card_label=CARD_LABEL)
    _decline(tenant, story, as_of)
    for invoice in Invoice.objects.of_tenant(tenant.pk).issued().filter(boundary__isnull=False):
        if invoice.boundary == story.credit_boundary and not hasattr(invoice, "credit_note"):
            reason = "Credited for the outage of two days; agreed with the customer."
            issue_credit_note(invoice_id=invoice.pk, reason=reason, actor=actor, as_of=as_of - timedelta(days=11))
        if invoice.boundary == story.takes_back_boundary and invoice.status == InvoiceStatus.FINALIZED:
            reason = "Issued to the old address by mistake."
            issue_credit_note(invoice_id=invoice.pk, reason=reason, actor=actor, as_of=as_of - timedelta(days=3))
    _move_money(tenant, story, actor, as_of)
    subscription = current_subscription(tenant.pk)
    if subscription is None:
        return
    refresh_standing(subscription_id=subscription.pk, as_of=as_of)
    # Once only: a person who undoes it meant to.
    if AuditEntry.objects.filter(tenant_id=tenant.pk, action="subscription.updated", actor_label=actor.label).exists():
        return
    if story.pending_plan is not None:
        version = _version(story.pending_plan)
        change_plan(subscription=subscription, plan_version=version, when=When.PERIOD_END, actor=actor, as_of=as_of)
    if story.is_leaving:
        cancel_subscription(subscription=subscription, when=When.PERIOD_END, actor=actor, as_of=as_of)


def _move_money(tenant: Tenant, story: Story, actor: Actor, as_of: datetime) -> None:
    """Refund what a credit note freed, pay a part of an open invoice, and write off a lost one. Once."""
    freed = Payment.objects.filter(tenant=tenant, allocations__isnull=False, allocated_minor=0, refunded_minor=0)
    for payment in freed.distinct() if story.credit_boundary is not None else []:
        record_refund(
            payment_id=payment.pk, amount_minor=payment.unallocated_minor, way=RefundWay.PROVIDER,
            reference=returned_reference("re", payment), reason="For the outage of two days.",
            occurred_at=as_of - timedelta(days=10), actor=actor, as_of=as_of - timedelta(days=10),
        )  # fmt: skip
    open_ones = list(Invoice.objects.of_tenant(tenant.pk).unpaid().filter(boundary__isnull=False).order_by("boundary"))
    is_done = Invoice.objects.of_tenant(tenant.pk).filter(status=InvoiceStatus.UNCOLLECTIBLE).exists()
    if is_done or len(open_ones) < story.unpaid_last or story.unpaid_last <= 1:
        return
    lost, partly = open_ones[:2]
    mark_uncollectible(
        invoice_id=lost.pk, reason="The dispute was given up.", actor=actor, as_of=as_of - timedelta(days=2)
    )
    assert partly.finalized_at is not None, "it is issued"
    paid_at = partly.finalized_at + timedelta(days=15)
    if paid_at <= as_of:
        record_manual_payment(
            invoice_id=partly.pk, reference=f"demo-{partly.number}-1", amount_minor=partly.total_minor // 2,
            currency=partly.currency, occurred_at=paid_at, actor=actor, as_of=as_of,
        )  # fmt: skip


def _decline(tenant: Tenant, story: Story, as_of: datetime) -> None:
    """Record that the card was declined, and again at each step of the dunning schedule until now."""
    invoice = Invoice.objects.of_tenant(tenant.pk).unpaid().order_by("-boundary").first()
    if not story.is_declined or invoice is None or Payment.objects.filter(invoice=invoice).exists():
        return
    assert invoice.finalized_at is not None, "it is issued"
    decline(invoice, provider=CARD, at=max(invoice.finalized_at + timedelta(minutes=4), as_of - DECLINED_SINCE))
    follow_up(tenant=tenant, until=as_of, charge=declining(CARD))


def _version(code: str) -> PlanVersion:
    version = (
        PlanVersion.objects.filter(plan__code=code).select_related("plan", "usage_plan").order_by("-number").first()
    )
    assert version is not None, f"the demo's plan {code} is for sale"
    return version
