"""Statuses of endpoints and deliveries."""

from enum import StrEnum


class EndpointStatus(StrEnum):
    """A paused endpoint keeps its events until it is resumed. A disabled one gets none."""

    ACTIVE = "active"
    PAUSED = "paused"
    DISABLED = "disabled"


class DisabledBecause(StrEnum):
    """Why an endpoint was disabled."""

    NOT = ""
    GONE = "gone"  # it returned 410
    FAILING = "failing"  # nothing reached it for days


class DeliveryStatus(StrEnum):
    """A delivery is pending until it succeeds, or until its last attempt has failed."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


# What a customer may do with an endpoint. Only the sender disables one.
TRANSITIONS = {
    EndpointStatus.ACTIVE: frozenset({EndpointStatus.PAUSED}),
    EndpointStatus.PAUSED: frozenset({EndpointStatus.ACTIVE}),
    EndpointStatus.DISABLED: frozenset({EndpointStatus.ACTIVE}),
}
