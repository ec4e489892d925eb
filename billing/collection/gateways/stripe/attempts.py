"""Attempts to charge an invoice's card, as Stripe's charges: each failed one has an id of its own.

An invoice's `attempt_count` counts only Stripe's automatic attempts, so it cannot name an attempt.
"""

from datetime import UTC, datetime
from typing import Final

from billing.collection.domain.provider import ReportedPayment
from billing.collection.gateways.stripe import money_api
from billing.collection.gateways.stripe.objects import (
    Json,
    data_of,
    from_stripe_amount,
    inner,
    instant,
    required,
    required_whole,
    text,
)

# No later charge of the same card succeeds: docs.stripe.com/billing/revenue-recovery/smart-retries, "Non-retryable
# decline codes", and those of an account or card that is closed.
FINAL_CODES: Final = frozenset(
    {
        "account_closed",
        "debit_not_authorized",
        "do_not_try_again",
        "expired_card",
        "fraudulent",
        "highest_risk_level",
        "incorrect_number",
        "invalid_account",
        "lost_card",
        "no_account",
        "pickup_card",
        "restricted_card",
        "revocation_of_all_authorizations",
        "revocation_of_authorization",
        "stolen_card",
        "transaction_not_allowed",
    }
)
CONFIRMATION_CODES: Final = frozenset({"authentication_required", "invoice_payment_intent_requires_action"})
LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
MUST_CONFIRM: Final = "The bank asks the cardholder to confirm this payment."


def payment_intents_of(invoice: Json) -> list[Json]:
    """Return the payment intents of an invoice whose payments are expanded, newest first."""
    payments = data_of(inner(invoice, "payments"))
    found = [inner(inner(payment, "payment"), "payment_intent") for payment in payments]
    return [intent for intent in found if intent]


def failed_attempts(invoice: Json) -> tuple[ReportedPayment, ...]:
    """Return the failed attempts to pay an invoice, oldest first. Fetches the charges of its payment intents."""
    charges = [
        charge for intent in payment_intents_of(invoice) for charge in money_api.charges_of(required(intent, "id"))
    ]
    failed = [read_failure(charge) for charge in charges if text(charge, "status") == "failed"]
    return tuple(sorted(failed, key=_by_time))


def read_failure(charge: Json) -> ReportedPayment:
    """Read a failed charge."""
    currency = required(charge, "currency").upper()
    outcome = inner(charge, "outcome")
    codes = {text(charge, "failure_code"), text(outcome, "reason"), text(outcome, "advice_code")} - {""}
    must_confirm = bool(codes & CONFIRMATION_CODES)
    return ReportedPayment(
        reference=required(charge, "id"),
        amount_minor=from_stripe_amount(required_whole(charge, "amount"), currency),
        currency=currency,
        occurred_at=instant(charge, "created"),
        error=MUST_CONFIRM if must_confirm else text(charge, "failure_message") or "The payment failed.",
        decline_code=text(outcome, "reason") or text(charge, "failure_code"),
        is_final=bool(codes & FINAL_CODES),
    )


def without_charge(invoice: Json, *, reference: str, occurred_at: datetime | None) -> ReportedPayment:
    """Return a failed attempt that charged no card: the customer has none, or must confirm the payment first."""
    currency = required(invoice, "currency").upper()
    errors = [inner(intent, "last_payment_error") for intent in payment_intents_of(invoice)]
    said = [error for error in errors if error] or [inner(invoice, "last_finalization_error")]
    code = text(said[0], "decline_code") or text(said[0], "code")
    must_confirm = code in CONFIRMATION_CODES or any(
        text(intent, "status") == "requires_action" for intent in payment_intents_of(invoice)
    )
    return ReportedPayment(
        reference=reference,
        amount_minor=from_stripe_amount(required_whole(invoice, "amount_due"), currency),
        currency=currency,
        occurred_at=occurred_at,
        error=MUST_CONFIRM if must_confirm else text(said[0], "message") or "The payment failed.",
        decline_code=code,
        is_final=code in FINAL_CODES,
    )


def _by_time(attempt: ReportedPayment) -> tuple[datetime, str]:
    return attempt.occurred_at or LONG_AGO, attempt.reference
