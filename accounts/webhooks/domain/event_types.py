"""The types of webhook events, as the public contract lists them. Each app declares its own; endpoints choose here."""

from collections.abc import Iterable
from typing import Final

from accounts.errors import FieldError, InvalidFieldsError

TEST_EVENT: Final = "webhook.test"
EVENT_TYPES: Final = (
    "invoice.drafted",
    "invoice.finalized",
    "invoice.paid",
    "invoice.payment_failed",
    "invoice.voided",
    "credit_note.issued",
    "usage.threshold_reached",
    "usage.anomaly_detected",
    "usage.crossing_predicted",
    "subscription.created",
    "subscription.updated",
    "subscription.cancelled",
    "api_key.created",
    "api_key.revoked",
    TEST_EVENT,
)
_KNOWN: Final = frozenset(EVENT_TYPES)


def checked_event_types(chosen: Iterable[str]) -> tuple[str, ...]:
    """Return the chosen types, each once, in the order of the contract. None chosen means all, also future ones.

    Raises `InvalidFieldsError`, which names each unknown type.
    """
    wanted = list(chosen)
    refusals = tuple(
        FieldError(f"/event_types/{position}", "unknown_event_type", "There is no such type of webhook event.")
        for position, name in enumerate(wanted)
        if name not in _KNOWN
    )
    if refusals:
        raise InvalidFieldsError(refusals[0].detail, field_errors=refusals)
    return tuple(name for name in EVENT_TYPES if name in wanted)
