"""Stripe's books as values: what it collects for us, what went back, and what it paid out. Reads only."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from billing.collection.domain.provider import (
    ClaimState,
    InboundEvent,
    ProviderStatement,
    ReportedClaim,
    ReportedPayout,
)
from billing.collection.errors import PaymentRefusedError
from billing.collection.gateways.stripe import api, money_api
from billing.collection.gateways.stripe.news import EVENT_TYPES
from billing.collection.gateways.stripe.objects import (
    TENANT_KEY,
    Json,
    data_of,
    from_stripe_amount,
    id_in,
    inner,
    instant,
    read_event,
    read_invoice,
    required,
    required_whole,
    storable,
    text,
    uuid_or_none,
    whole,
)
from billing.collection.gateways.stripe.refunds import read_dispute, read_refund

_STATES: Final = {
    "draft": ClaimState.DRAFT,
    "open": ClaimState.OPEN,
    "uncollectible": ClaimState.OPEN,
    "paid": ClaimState.PAID,
}
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MISSING: Final = "resource_missing"


class StripeBooks:
    """The capability `ProviderBooks`."""

    def statement(self, *, since: datetime) -> ProviderStatement:
        """Return our invoices and checkouts at Stripe, and what went back of them; all payouts of the account."""
        charges = [one for one in money_api.charges_since(since) if text(one, "status") == "succeeded"]
        by_intent: dict[str, list[Json]] = defaultdict(list)
        for charge in charges:
            by_intent[id_in(charge, "payment_intent")].append(charge)
        claims, intents = [], set()
        for invoice in api.invoices_since(since):
            of_invoice = _intents_of(invoice)
            if (claim := _claim_of_invoice(invoice, [one for id_ in of_invoice for one in by_intent[id_]])) is not None:
                claims.append(claim)
                intents |= of_invoice
        for intent_id, same in by_intent.items():
            if intent_id not in intents and uuid_or_none(text(inner(same[0], "metadata"), TENANT_KEY)) is not None:
                claims.append(_claim_of_checkout(intent_id, same))
                intents.add(intent_id)
        ours = _Ours(intents)
        return ProviderStatement(
            claims=tuple(claims),
            refunds=tuple(read_refund(one) for one in money_api.refunds_since(since) if ours.has(one)),
            disputes=tuple(read_dispute(one) for one in money_api.disputes_since(since) if ours.has(one)),
            payouts=tuple(_payout(one) for one in money_api.payouts_since(since)),
        )

    def claim(self, reference: str) -> ReportedClaim | None:
        """Return an invoice, or the payment of a checkout, or None if Stripe does not have it."""
        try:
            if reference.startswith("pi_"):
                return _claim_of_intent(money_api.payment_intent(reference))
            return _claim_of_invoice(api.invoice(reference), [])
        except PaymentRefusedError as error:
            if error.reason != _MISSING:
                raise
            return None

    def events(self, *, since: datetime, until: datetime) -> Sequence[InboundEvent]:
        """Return the events of the types that we handle, the earliest first. Stripe keeps them for 30 days."""
        listed = money_api.events_between(since, until, types=EVENT_TYPES)
        # Stripe's library reads decimals, which a webhook has as texts.
        payloads = [storable(json.loads(json.dumps(one, default=str))) for one in reversed(listed)]
        read = [(read_event(payload), payload) for payload in payloads]
        return [InboundEvent(event.id, event.type, payload) for event, payload in read]


class _Ours:
    """Which payment intents pay something of ours. Others are looked up, each once."""

    def __init__(self, known: set[str]) -> None:
        self.known = known
        self.others: set[str] = set()

    def has(self, moved: Json) -> bool:
        """Return whether a refund or a dispute is of one of our payments."""
        intent_id = id_in(moved, "payment_intent")
        if not intent_id or intent_id in self.others:
            return False
        if intent_id not in self.known:
            is_ours = _claim_of_intent(money_api.payment_intent(intent_id)) is not None
            (self.known if is_ours else self.others).add(intent_id)
        return intent_id in self.known


def _intents_of(invoice: Json) -> set[str]:
    payments = data_of(inner(invoice, "payments"))
    return {id_ for one in payments if (id_ := id_in(inner(one, "payment"), "payment_intent"))}


def _claim_of_invoice(invoice: Json, charges: Sequence[Json]) -> ReportedClaim | None:
    """Return what an invoice collects; None if it is none of ours."""
    collected = read_invoice(invoice)
    if collected.invoice_id is None:
        return None
    state = _STATES.get(collected.status, ClaimState.VOID)
    # What is open is due; what was paid is the total, as in the payment's news.
    amount = collected.total if state is ClaimState.PAID else collected.amount_due
    return ReportedClaim(
        reference=collected.id,
        customer_reference=collected.customer_id,
        invoice_id=collected.invoice_id,
        state=state,
        amount_minor=from_stripe_amount(amount, collected.currency),
        currency=collected.currency,
        happened_at=collected.paid_at or instant(invoice, "created") or _LONG_AGO,
        charges=len(charges),
        fee_minor=_fee(charges, collected.currency),
    )


def _claim_of_checkout(intent_id: str, charges: Sequence[Json]) -> ReportedClaim:
    currency = required(charges[0], "currency").upper()
    return ReportedClaim(
        reference=intent_id,
        customer_reference=id_in(charges[0], "customer"),
        invoice_id=None,
        state=ClaimState.PAID,
        amount_minor=from_stripe_amount(required_whole(charges[0], "amount"), currency),
        currency=currency,
        happened_at=instant(charges[0], "created") or _LONG_AGO,
        charges=len(charges),
        fee_minor=_fee(charges, currency),
    )


def _claim_of_intent(intent: Json) -> ReportedClaim | None:
    """Return what a payment intent pays of ours: a checkout, or an invoice."""
    if uuid_or_none(text(inner(intent, "metadata"), TENANT_KEY)) is None:
        invoice = money_api.invoice_of_payment(required(intent, "id"))
        return _claim_of_invoice(invoice, []) if invoice else None
    currency = required(intent, "currency").upper()
    is_paid = text(intent, "status") == "succeeded"
    return ReportedClaim(
        reference=required(intent, "id"),
        customer_reference=id_in(intent, "customer"),
        invoice_id=None,
        state=ClaimState.PAID if is_paid else ClaimState.VOID,
        amount_minor=from_stripe_amount(whole(intent, "amount_received" if is_paid else "amount"), currency),
        currency=currency,
        happened_at=instant(intent, "created") or _LONG_AGO,
        charges=int(is_paid),
    )


def _fee(charges: Sequence[Json], currency: str) -> int | None:
    """Return what Stripe kept of charges; None if it converted one, whose fee is in another currency."""
    entries = [inner(charge, "balance_transaction") for charge in charges]
    if not entries or any(text(entry, "currency") != currency.lower() for entry in entries):
        return None
    return from_stripe_amount(sum(whole(entry, "fee") for entry in entries), currency)


def _payout(payout: Mapping[str, object]) -> ReportedPayout:
    currency = required(payout, "currency").upper()
    amount = required_whole(payout, "amount")
    status = text(payout, "status")
    is_settled = status == "paid" and payout.get("automatic") is True
    # Only of an automatic payout does Stripe tell what it consists of.
    parts = (
        sum(whole(one, "net") for one in money_api.parts_of_payout(required(payout, "id"))) if is_settled else amount
    )
    failed = text(payout, "failure_message") or status if status in {"failed", "canceled"} else ""
    return ReportedPayout(
        reference=required(payout, "id"),
        amount_minor=from_stripe_amount(amount, currency),
        parts_minor=from_stripe_amount(parts, currency),
        currency=currency,
        happened_at=instant(payout, "arrival_date") or instant(payout, "created") or _LONG_AGO,
        failure=failed,
    )
