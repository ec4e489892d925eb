"""What tests of webhooks share: events, endpoints, and one round of a sender without a network."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID, uuid4

from accounts.domain.actor import Actor
from accounts.models import Tenant
from accounts.notices.services.outbox import add_to_outbox
from accounts.webhooks.domain.schedule import AttemptOutcome
from accounts.webhooks.models import WebhookDelivery, WebhookEndpoint
from accounts.webhooks.services.claiming import ClaimedEndpoint, claim_endpoints
from accounts.webhooks.services.endpoints import NewSecret, create_endpoint
from accounts.webhooks.services.queueing import queue_deliveries
from accounts.webhooks.services.recording import MadeAttempt, Recorded, ServedEndpoint, record_attempts

SYSTEM = Actor.system("test")
OK = AttemptOutcome(200, milliseconds=3)
DOWN = AttemptOutcome(500, "HTTP 500", milliseconds=3)
URL = "https://hooks.example.com/in"
SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Happening:
    """An event of a tenant."""

    tenant_id: UUID
    type: str = "invoice.paid"  # type: ignore[misc] # a class variable of the protocol
    id: UUID = field(default_factory=uuid4)
    kind: ClassVar[str] = ""

    @property
    def dedupe_key(self) -> str:
        return f"{self.type}:{self.id}"

    def as_body(self) -> dict[str, object]:
        return {"id": self.id, "name": "Größe"}


def make_endpoint(tenant: Tenant, as_of: datetime, *types: str, url: str = URL, description: str = "") -> NewSecret:
    return create_endpoint(
        tenant=tenant, url=url, event_types=types, description=description, actor=SYSTEM, as_of=as_of
    )


def tell(tenant: Tenant, as_of: datetime, *types: str) -> None:
    add_to_outbox(
        [Happening(tenant.pk, name) for name in types or ("invoice.paid",)],  # type: ignore[misc] # as above
        as_of=as_of,
    )


def claim(as_of: datetime, *, limit: int = 100) -> list[ClaimedEndpoint]:
    """Queue what is new, and claim what is due in both lanes."""
    queue_deliveries(as_of=as_of)
    return [
        claimed
        for is_suspect in (False, True)
        for claimed in claim_endpoints(limit=limit, is_suspect=is_suspect, as_of=as_of)
    ]


def record(
    claimed: list[ClaimedEndpoint], as_of: datetime, answer: AttemptOutcome | Callable[[str], AttemptOutcome] = OK
) -> Recorded:
    """Record the same outcome of every delivery, without jitter."""
    served = [
        ServedEndpoint(
            endpoint,
            [
                MadeAttempt(
                    delivery,
                    as_of,
                    as_of,
                    "v1,x",
                    answer if isinstance(answer, AttemptOutcome) else answer(endpoint.url),
                )
                for delivery in endpoint.deliveries
            ],
        )
        for endpoint in claimed
    ]
    return record_attempts(served, as_of=as_of, draw=lambda _: 0)


def send(as_of: datetime, answer: AttemptOutcome = OK) -> list[ClaimedEndpoint]:
    """Send as one round of a sender. Return what was claimed."""
    claimed = claim(as_of)
    record(claimed, as_of, answer)
    return claimed


def statuses(endpoint: WebhookEndpoint) -> list[str]:
    """Return the statuses of the endpoint's deliveries, in the order of their sequence."""
    found = WebhookDelivery.objects.filter(endpoint=endpoint).order_by("sequence")
    return list(found.values_list("status", flat=True))
