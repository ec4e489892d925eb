"""`manage.py load_demo`: make events for many tenants, through the real ingest, and print rate and errors."""

from time import monotonic
from typing import Any, Final
from uuid import uuid4

import msgspec
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.domain.actor import Actor
from accounts.domain.api_key import KeyKind
from accounts.domain.scopes import Scope
from accounts.keys.services.api_keys import KeyTerms, create_api_key
from accounts.management.progress import progress
from accounts.models import Tenant
from accounts.selectors.api_keys import find_principal
from accounts.services.tenants import open_tenant
from metering.domain.http_requests import EVENT_TYPE
from metering.services.event_sending import Send, store_here

TENANTS_MAX: Final = 1000
EVENTS_PER_CALL: Final = 500
_PATHS: Final = ("/v1/orders", "/v1/items", "/v1/search")


class Command(BaseCommand):
    """The command that makes load."""

    help = "Make COUNT events for TENANTS tenants through the real ingest, and print rate and errors."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the two numbers."""
        parser.add_argument("--count", type=int, required=True, help="How many events in all.")
        parser.add_argument("--tenants", type=int, default=20, help="For how many tenants: load-1, load-2 …")

    def handle(self, *args: Any, **options: Any) -> None:
        """Create the events, one tenant after the other, and print how many were stored or refused."""
        count, number = options["count"], options["tenants"]
        if count < 1 or not 1 <= number <= TENANTS_MAX:
            raise CommandError(f"--count is 1 or more, --tenants 1 to {TENANTS_MAX}.")
        senders = [sender_of(f"load-{n}") for n in range(1, number + 1)]
        run, accepted, errors, done = uuid4().hex[:12], 0, 0, 0
        started = monotonic()
        with progress(self.stdout) as show:
            while done < count:
                size = min(EVENTS_PER_CALL, count - done)
                outcome = senders[done // EVENTS_PER_CALL % number](lines_of(run, done, size))
                accepted, errors, done = accepted + outcome.accepted, errors + len(outcome.results), done + size
                show(f"{done:,} events", done, count)
        seconds = max(monotonic() - started, 0.001)
        self.stdout.write(
            f"{accepted:,} events of {number} tenants in {seconds:.1f} s: {int(accepted / seconds):,} events/s, "
            f"{errors:,} errors"
        )
        if errors or accepted != count:
            raise CommandError("Not every event was stored.")


def sender_of(slug: str) -> Send:
    """Return the function that stores events of a tenant, which is created if it is missing, by a key of its own."""
    actor, as_of = Actor.system("manage.py load_demo"), timezone.now()
    tenant = Tenant.objects.filter(slug=slug).first() or open_tenant(
        name=slug.title(), slug=slug, owner=None, owner_email=None, settings={}, actor=actor, as_of=as_of
    )
    terms = KeyTerms(name="Load", scopes=(Scope.EVENTS_WRITE,))
    created = create_api_key(tenant=tenant, kind=KeyKind.LIVE, terms=terms, actor=actor, as_of=as_of)
    principal = find_principal(created.secret, timezone.now())
    assert principal is not None, "the key was just created"
    assert principal.tenant is not None, "and is a tenant's"
    return store_here(
        principal=principal, tenant=principal.tenant, request_id="manage.py load_demo", as_of=timezone.now
    )


def lines_of(run: str, first: int, size: int) -> list[bytes]:
    """Return events whose ids no other run has."""
    return [
        msgspec.json.encode(
            {
                "id": f"load-{run}-{number}",
                "type": EVENT_TYPE,
                "properties": {
                    "http_method": "GET",
                    "resource_path": _PATHS[number % len(_PATHS)],
                    "status": 200,
                    "response_length": 100 + number % 900,
                },
            }
        )
        for number in range(first, first + size)
    ]
