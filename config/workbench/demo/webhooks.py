"""The demo's webhooks: an endpoint with a month of deliveries, and a test event that is on its way.

With `make run` the endpoint is the small receiver that runs beside it. Deliveries of the past are played through the
sender's own services, with outcomes by their number.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Min

from accounts.domain.actor import Actor
from accounts.models import Tenant
from accounts.webhooks.domain.schedule import AttemptOutcome
from accounts.webhooks.models import WebhookEndpoint
from accounts.webhooks.services.claiming import ClaimedEndpoint, DueDelivery, claim_endpoints
from accounts.webhooks.services.endpoints import change_endpoint, create_endpoint, rotate_secret
from accounts.webhooks.services.recording import MadeAttempt, ServedEndpoint, record_attempts
from accounts.webhooks.services.replaying import replay_span, send_test
from config.workbench.demo.cast import MAIN_TENANT

DESCRIPTION: Final = "Receiver of the demo"
ELSEWHERE: Final = "https://hooks.example.com/countinghouse"
BEGAN: Final = timedelta(days=40)
PLAYED: Final = timedelta(days=5)
ROUNDS_MAX: Final = 200
# Of five deliveries the second fails until its attempts end, and the third needs three of them.
_EVERY: Final = 5
_LOST: Final = 2
_LATE: Final = 3
_ATTEMPTS_OF_LATE: Final = 2


def add_webhooks(*, tenants: Iterable[Tenant], receiver_url: str, secret: str, actor: Actor, as_of: datetime) -> str:
    """Create the endpoint once, with its past. Return its secret: the stored one, or a new one if that is lost."""
    tenant = next((tenant for tenant in tenants if tenant.slug == MAIN_TENANT), None)
    if tenant is None:
        return secret
    url = f"{receiver_url}/in" if receiver_url else ELSEWHERE
    known = WebhookEndpoint.objects.filter(tenant=tenant, description=DESCRIPTION).first()
    if known is not None:
        if known.url != url:
            change_endpoint(endpoint=known, actor=actor, as_of=as_of, url=url)
        return secret or rotate_secret(endpoint=known, actor=actor, as_of=as_of).secret
    created = create_endpoint(
        tenant=tenant, url=url, event_types=(), description=DESCRIPTION, actor=actor, as_of=as_of - BEGAN
    )
    replay_span(
        endpoint=created.endpoint,
        start=as_of - BEGAN,
        end=as_of - PLAYED,
        is_only_failed=False,
        actor=actor,
        as_of=as_of - PLAYED,
    )
    _play(created.endpoint, as_of)
    send_test(endpoint=created.endpoint, actor=actor, as_of=as_of)
    return created.secret


def _play(endpoint: WebhookEndpoint, as_of: datetime) -> None:
    """Record the attempts that were due until now."""
    for _ in range(ROUNDS_MAX):
        due_at = WebhookEndpoint.objects.filter(pk=endpoint.pk).aggregate(at=Min("due_at"))["at"]
        if due_at is None or due_at >= as_of:
            return
        for is_suspect in (False, True):
            claimed = claim_endpoints(limit=1, is_suspect=is_suspect, as_of=due_at)
            if claimed:
                record_attempts([_served(one, due_at) for one in claimed], as_of=due_at)


def _served(claimed: ClaimedEndpoint, at: datetime) -> ServedEndpoint:
    return ServedEndpoint(claimed, [_attempt(delivery, at) for delivery in claimed.deliveries])


def _attempt(delivery: DueDelivery, at: datetime) -> MadeAttempt:
    place = delivery.sequence % _EVERY
    is_late = place == _LATE and delivery.attempts_in_round < _ATTEMPTS_OF_LATE
    if place == _LOST:
        outcome = AttemptOutcome(503, "HTTP 503", "Service unavailable", 41)
    elif is_late:
        outcome = AttemptOutcome(None, "No response within 15 seconds.", "", 15_000)
    else:
        outcome = AttemptOutcome(200, "", "ok", 38)
    ended_at = at + timedelta(milliseconds=outcome.milliseconds)
    return MadeAttempt(delivery, at, ended_at, "v1,ZGVtbyBvZiB0aGUgcGFzdA==", outcome)
