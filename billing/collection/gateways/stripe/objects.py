"""What Stripe's objects say, as values.

The only place that knows their shape, which is that of API version 2026-05-27.dahlia.

Pure readers. What is missing where Stripe always has it is a `ProviderObjectError`, and so something that a person
sees; what may be missing reads as nothing. Since 2025-03-31.basil a period stands on a subscription's items, a tax in
`total_taxes`, a payment below `payments`; dj-stripe's own properties still look where they were, so nothing here uses
them.
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
INVOICE_KEY: Final = "countinghouse_invoice"
THIN_EVENT: Final = "v2.core.event"
ID_CHARACTERS_MAX: Final = 255
TYPE_CHARACTERS_MAX: Final = 100
CARD_LABEL_CHARACTERS_MAX: Final = 60
# Where Stripe's digits are not those of ISO 4217: docs.stripe.com/currencies, "Zero-decimal currencies" and "Special
# cases".
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
    """An event: what it is about, not what it says of it, since that may be out of date."""

    id: str
    type: str
    is_thin: bool
    created_at: datetime | None
    object: Json

    @property
    def object_id(self) -> str:
        """Which object it is about; none in events about what is still to come."""
        return text(self.object, "id")

    @property
    def customer_id(self) -> str:
        """Whose it is."""
        return self.object_id if text(self.object, "object") == "customer" else id_in(self.object, "customer")


@dataclass(frozen=True, slots=True)
class CollectedInvoice:
    """An invoice at Stripe that collects one of ours. Amounts are Stripe's, see `from_stripe_amount`."""

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
    error: str


def read_event(payload: object) -> StripeEvent:
    """Read an event as it was delivered. Raises `ProviderObjectError` where it is none."""
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
    """Whether it went on until the end that was set for it; a person may also have ended it before."""
    ended_at = instant(subscription, "ended_at")
    ends = [end for item in data_of(inner(subscription, "items")) if (end := instant(item, "current_period_end"))]
    if (set_for := instant(subscription, "cancel_at")) is not None:
        ends.append(set_for)
    return ended_at is not None and bool(ends) and ended_at >= min(ends) - _PERIOD_END_SLACK


def read_invoice(invoice: Json) -> CollectedInvoice:
    """Read an invoice, with its payments' intents expanded where the reason of a failure is wanted."""
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
        error=_error_of(invoice),
    )


def _error_of(invoice: Json) -> str:
    for payment in data_of(inner(invoice, "payments")):
        intent = inner(inner(payment, "payment"), "payment_intent")
        if message := text(inner(intent, "last_payment_error"), "message"):
            return message
    return text(inner(invoice, "last_finalization_error"), "message")


def default_payment_method(customer: Json) -> Json | None:
    """What the customer's invoices are charged to, where it is expanded."""
    return inner(inner(customer, "invoice_settings"), "default_payment_method") or None


def card_label(payment_method: Json | None) -> str:
    """How people know a way to pay, as in `Visa ending in 4242`; empty without one."""
    if not payment_method:
        return ""
    kind = text(payment_method, "type")
    details = inner(payment_method, kind)
    name = text(details, "display_brand") or text(details, "brand") or kind or "payment method"
    last4 = text(details, "last4")
    label = name.replace("_", " ").capitalize() + (f" ending in {last4}" if last4 else "")
    return label[:CARD_LABEL_CHARACTERS_MAX]


def to_stripe_amount(amount_minor: int, currency: str) -> int:
    """Our minor units as Stripe counts them. Raises `PaymentRefusedError` where Stripe cannot charge the last digit."""
    digits = _stripe_digits(currency)
    amount, rest = _shifted(amount_minor, digits - currency_digits(currency))
    is_charged_in_tens = digits == 3  # noqa: PLR2004 - Stripe's rule for currencies of three digits
    if rest or (is_charged_in_tens and amount % 10):
        raise PaymentRefusedError(f"Stripe cannot charge {amount_minor} minor units of {currency}.", reason="amount")
    return amount


def from_stripe_amount(amount: int, currency: str) -> int:
    """Stripe's amount as our minor units."""
    amount_minor, rest = _shifted(amount, currency_digits(currency) - _stripe_digits(currency))
    if rest:
        raise ProviderObjectError(f"Stripe says {amount} of {currency}, which is no whole amount.")
    return amount_minor


def _shifted(amount: int, digits: int) -> tuple[int, int]:
    """The amount with so many digits more, or fewer and what is lost by it."""
    factor = int(10 ** abs(digits))
    return (amount * factor, 0) if digits >= 0 else divmod(amount, factor)


def _stripe_digits(currency: str) -> int:
    return _STRIPE_DIGITS.get(currency, currency_digits(currency))


# Look-ups in what JSON gave; a value of another type than the wanted one reads as missing.


def inner(node: Json, name: str) -> Json:
    """An object inside; one that is not there, or is only named by its id, is empty."""
    value = node.get(name)
    return value if isinstance(value, Mapping) else {}


def text(node: Json, name: str) -> str:
    """A text, or an empty one."""
    value = node.get(name)
    return value if isinstance(value, str) else ""


def required(node: Json, name: str) -> str:
    """A text that must be there."""
    value = text(node, name)
    if not value:
        raise ProviderObjectError(f"Stripe's {text(node, 'object') or 'object'} lacks {name}.")
    return value


def whole(node: Json, name: str) -> int:
    """A whole number, or 0."""
    value = node.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def required_whole(node: Json, name: str) -> int:
    """A whole number that must be there."""
    value = node.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ProviderObjectError(f"Stripe's {text(node, 'object') or 'object'} lacks {name}.")
    return value


def instant(node: Json, name: str) -> datetime | None:
    """A moment, which Stripe counts in seconds since 1970."""
    seconds = whole(node, name)
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds) if 0 < seconds < 10**11 else None


def id_in(node: Json, name: str) -> str:
    """The id of an object that is named or expanded."""
    return text(node, name) or text(inner(node, name), "id")


def _required_id(node: Json, name: str) -> str:
    value = id_in(node, name)
    if not value:
        raise ProviderObjectError(f"Stripe's {text(node, 'object') or 'object'} lacks {name}.")
    return value


def data_of(listed: Json) -> list[Json]:
    """The objects of one page of a list."""
    data = listed.get("data")
    return [item for item in data if isinstance(item, Mapping)] if isinstance(data, list) else []


def uuid_or_none(value: str) -> UUID | None:
    """A UUID as we write it into metadata."""
    try:
        return UUID(value)
    except ValueError:
        return None


def whole_or_none(value: str) -> int | None:
    """A whole number as we write it into metadata."""
    return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None  # noqa: PLR2004 - of a bigint


def storable(value: object) -> object:
    """The same JSON with what PostgreSQL cannot keep (NUL, half of a surrogate pair) replaced by U+FFFD."""
    if isinstance(value, str):
        return "".join("\ufffd" if char == "\0" or "\ud800" <= char <= "\udfff" else char for char in value)
    if isinstance(value, Mapping):
        return {str(storable(name)): storable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [storable(item) for item in value]
    return value
