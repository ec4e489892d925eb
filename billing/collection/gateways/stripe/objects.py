"""Stripe's objects as values.

Only this module knows their shape, which is that of API version 2026-05-27.dahlia.

Readers are pure. If a field that Stripe always sends is missing, they raise `ProviderObjectError`, which staff see; an
optional field reads as empty. Since 2025-03-31.basil a period is on a subscription's items, a tax in `total_taxes`, a
payment below `payments`; dj-stripe's properties still read the old places, so they are not used here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from billing.collection.domain.provider import Agreement, AgreementState
from billing.collection.errors import PaymentRefusedError, ProviderObjectError
from billing.domain.money import currency_digits

Json = Mapping[str, object]

TENANT_KEY: Final = "countinghouse_tenant"
PLAN_VERSION_KEY: Final = "countinghouse_plan_version"
CHECKOUT_KEY: Final = "countinghouse_checkout"
INVOICE_KEY: Final = "countinghouse_invoice"
REFUND_KEY: Final = "countinghouse_refund"
THIN_EVENT: Final = "v2.core.event"
ID_CHARACTERS_MAX: Final = 255
TYPE_CHARACTERS_MAX: Final = 100
CARD_LABEL_CHARACTERS_MAX: Final = 60
# The currencies whose digits at Stripe are not those of ISO 4217: docs.stripe.com/currencies, "Zero-decimal
# currencies" and "Special cases".
_STRIPE_DIGITS: Final = {"ISK": 2, "UGX": 2, "MGA": 0, "IQD": 3, "LYD": 3}
_PERIOD_END_SLACK: Final = timedelta(hours=2)


_STATE_OF: Final = {
    "incomplete": AgreementState.NOT_YET,
    "incomplete_expired": AgreementState.ENDED,
    "trialing": AgreementState.LIVE,
    "active": AgreementState.LIVE,
    "past_due": AgreementState.LIVE,
    "unpaid": AgreementState.LIVE,
    "paused": AgreementState.LIVE,
    "canceled": AgreementState.ENDED,
}


@dataclass(frozen=True, slots=True)
class StripeEvent:
    """An event: only its subject, since the state in it may be out of date."""

    id: str
    type: str
    is_thin: bool
    created_at: datetime | None
    object: Json

    @property
    def object_id(self) -> str:
        """Return the id of the object; empty in events about future objects."""
        return text(self.object, "id")

    @property
    def customer_id(self) -> str:
        """Return the id of the customer."""
        return self.object_id if text(self.object, "object") == "customer" else id_in(self.object, "customer")


@dataclass(frozen=True, slots=True)
class CollectedInvoice:
    """An invoice at Stripe that collects one of ours. Amounts are in Stripe's units, see `from_stripe_amount`."""

    id: str
    customer_id: str
    status: str
    invoice_id: UUID | None
    currency: str
    total: int
    amount_due: int
    attempt_count: int
    hosted_url: str
    paid_at: datetime | None


def read_event(payload: object) -> StripeEvent:
    """Read an event as it was delivered. Raises `ProviderObjectError` if it is not one."""
    if not isinstance(payload, Mapping):
        raise ProviderObjectError("An event is an object.")
    id_, type_ = text(payload, "id"), text(payload, "type")
    if not 0 < len(id_) <= ID_CHARACTERS_MAX or not 0 < len(type_) <= TYPE_CHARACTERS_MAX:
        raise ProviderObjectError("An event has an id and a type.")
    is_thin = text(payload, "object") == THIN_EVENT
    return StripeEvent(
        id=id_,
        type=type_,
        is_thin=is_thin,
        created_at=None if is_thin else instant(payload, "created"),
        object=inner(inner(payload, "data"), "object"),
    )


def read_agreement(subscription: Json) -> Agreement:
    """Read a subscription."""
    status = required(subscription, "status")
    if status not in _STATE_OF:
        raise ProviderObjectError(f"A subscription at Stripe is {status[:40]!r}, which we do not know.")
    metadata = inner(subscription, "metadata")
    ends = instant(subscription, "cancel_at") is not None or subscription.get("cancel_at_period_end") is True
    return Agreement(
        reference=required(subscription, "id"),
        customer_reference=_required_id(subscription, "customer"),
        status=status,
        state=_STATE_OF[status],
        is_cancelled_at_period_end=ends,
        has_ended_with_period=ends and _ended_with_period(subscription),
        tenant_id=uuid_or_none(text(metadata, TENANT_KEY)),
        plan_version_id=whole_or_none(text(metadata, PLAN_VERSION_KEY)),
        card_reference=id_in(subscription, "default_payment_method"),
    )


def _ended_with_period(subscription: Json) -> bool:
    """Return whether the subscription continued until its scheduled end; it may also have been ended before."""
    ended_at = instant(subscription, "ended_at")
    ends = [end for item in data_of(inner(subscription, "items")) if (end := instant(item, "current_period_end"))]
    if (set_for := instant(subscription, "cancel_at")) is not None:
        ends.append(set_for)
    return ended_at is not None and bool(ends) and ended_at >= min(ends) - _PERIOD_END_SLACK


def read_invoice(invoice: Json) -> CollectedInvoice:
    """Read an invoice."""
    return CollectedInvoice(
        id=required(invoice, "id"),
        customer_id=_required_id(invoice, "customer"),
        status=required(invoice, "status"),
        invoice_id=uuid_or_none(text(inner(invoice, "metadata"), INVOICE_KEY)),
        currency=required(invoice, "currency").upper(),
        total=required_whole(invoice, "total"),
        amount_due=required_whole(invoice, "amount_due"),
        attempt_count=whole(invoice, "attempt_count"),
        hosted_url=text(invoice, "hosted_invoice_url"),
        paid_at=instant(inner(invoice, "status_transitions"), "paid_at"),
    )


def default_payment_method(customer: Json) -> Json | None:
    """Return the payment method of the customer's invoices, if it is expanded."""
    return inner(inner(customer, "invoice_settings"), "default_payment_method") or None


def card_label(payment_method: Json | None) -> str:
    """Return the label of a payment method, such as `Visa ending in 4242`; empty without one."""
    if not payment_method:
        return ""
    kind = text(payment_method, "type")
    details = inner(payment_method, kind)
    name = text(details, "display_brand") or text(details, "brand") or kind or "payment method"
    last4 = text(details, "last4")
    label = name.replace("_", " ").capitalize() + (f" ending in {last4}" if last4 else "")
    return label[:CARD_LABEL_CHARACTERS_MAX]


def to_stripe_amount(amount_minor: int, currency: str) -> int:
    """Return our minor units in Stripe's units. Raises `PaymentRefusedError` if Stripe cannot charge the last digit."""
    digits = _stripe_digits(currency)
    amount, rest = _shifted(amount_minor, digits - currency_digits(currency))
    is_charged_in_tens = digits == 3  # noqa: PLR2004 - Stripe's rule for currencies of three digits
    if rest or (is_charged_in_tens and amount % 10):
        raise PaymentRefusedError(f"Stripe cannot charge {amount_minor} minor units of {currency}.", reason="amount")
    return amount


def from_stripe_amount(amount: int, currency: str) -> int:
    """Return Stripe's amount in our minor units."""
    amount_minor, rest = _shifted(amount, currency_digits(currency) - _stripe_digits(currency))
    if rest:
        raise ProviderObjectError(f"Stripe says {amount} of {currency}, which is not a whole amount.")
    return amount_minor


def _shifted(amount: int, digits: int) -> tuple[int, int]:
    """Return the amount with `digits` more digits, or fewer, and the remainder that is lost."""
    factor = int(10 ** abs(digits))
    return (amount * factor, 0) if digits >= 0 else divmod(amount, factor)


def _stripe_digits(currency: str) -> int:
    return _STRIPE_DIGITS.get(currency, currency_digits(currency))


# Reads of JSON; a value of another type than the requested one reads as missing.


def inner(node: Json, name: str) -> Json:
    """Return an inner object; empty if it is missing or only given by its id."""
    value = node.get(name)
    return value if isinstance(value, Mapping) else {}


def text(node: Json, name: str) -> str:
    """Return a text, or an empty one."""
    value = node.get(name)
    return value if isinstance(value, str) else ""


def required(node: Json, name: str) -> str:
    """Return a required text."""
    value = text(node, name)
    if not value:
        raise ProviderObjectError(f"Stripe's {text(node, 'object') or 'object'} lacks {name}.")
    return value


def whole(node: Json, name: str) -> int:
    """Return a whole number, or 0."""
    value = node.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def required_whole(node: Json, name: str) -> int:
    """Return a required whole number."""
    value = node.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ProviderObjectError(f"Stripe's {text(node, 'object') or 'object'} lacks {name}.")
    return value


def instant(node: Json, name: str) -> datetime | None:
    """Return an instant, which Stripe counts in seconds since 1970."""
    seconds = whole(node, name)
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds) if 0 < seconds < 10**11 else None


def id_in(node: Json, name: str) -> str:
    """Return the id of an object that is given by its id or expanded."""
    return text(node, name) or text(inner(node, name), "id")


def _required_id(node: Json, name: str) -> str:
    value = id_in(node, name)
    if not value:
        raise ProviderObjectError(f"Stripe's {text(node, 'object') or 'object'} lacks {name}.")
    return value


def data_of(listed: Json) -> list[Json]:
    """Return the objects of one page of a list."""
    data = listed.get("data")
    return [item for item in data if isinstance(item, Mapping)] if isinstance(data, list) else []


def uuid_or_none(value: str) -> UUID | None:
    """Return a UUID that we wrote into metadata, or None."""
    try:
        return UUID(value)
    except ValueError:
        return None


def whole_or_none(value: str) -> int | None:
    """Return a whole number that we wrote into metadata, or None."""
    return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None  # noqa: PLR2004 - of a bigint


def storable(value: object) -> object:
    """Return JSON with characters that PostgreSQL cannot store (NUL, half of a surrogate pair) replaced by U+FFFD."""
    if isinstance(value, str):
        return "".join("\ufffd" if char == "\0" or "\ud800" <= char <= "\udfff" else char for char in value)
    if isinstance(value, Mapping):
        return {str(storable(name)): storable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [storable(item) for item in value]
    return value
