"""A leaked key of the demo: found, released too early, used by strangers for hours, and found once more.

Staff void this usage in the admin: *Leaked keys*, *Void usage since the leak*.
"""

from datetime import datetime, timedelta
from typing import Final

from accounts.domain.actor import Actor
from accounts.keys.domain.leaks import ReportedToken
from accounts.keys.services.api_keys import CreatedKey
from accounts.keys.services.leaks import release_api_key, report_leaked_keys
from accounts.models import Tenant
from metering.domain.event_input import parse_event
from metering.domain.events import IngestRules, ParsedEvent
from metering.domain.http_requests import EVENT_TYPE, HTTP_METHOD, RESOURCE_PATH, RESPONSE_LENGTH, STATUS
from metering.domain.ledger import Ledger
from metering.selectors.catalog import known_event_types
from metering.services.ingest import ingest_events

PLACES: Final = ("https://github.com/example/site/blob/main/.env", "https://gist.example.com/c0ffee/deploy.sh")
RELEASED_AFTER: Final = timedelta(minutes=20)
USED_FOR: Final = timedelta(hours=5)
CALLS: Final = 120


def leak_key(*, created: CreatedKey, tenant: Tenant, owner: Actor, as_of: datetime) -> None:
    """Report the key as found at `as_of`, and again five hours later; in between it is used."""
    _found(created, PLACES[0], as_of)
    release_api_key(key=created.key, actor=owner, as_of=as_of + RELEASED_AFTER)
    ledger = Ledger(tenant.pk, is_live=True, time_zone=tenant.time_zone, backfill_days=tenant.backfill_days)
    step = (USED_FOR - RELEASED_AFTER) / (CALLS + 1)
    for number in range(1, CALLS + 1):
        at = as_of + RELEASED_AFTER + step * number
        ingest_events(ledger=ledger, events=[_call(number, at)], api_key_id=created.key.pk, as_of=at)
    _found(created, PLACES[1], as_of + USED_FOR)


def _found(created: CreatedKey, url: str, as_of: datetime) -> None:
    place = ReportedToken(created.secret, "countinghouse_api_key", url, "content")
    report_leaked_keys(tokens=[place], scanner="demo", actor=Actor.system("secret scanner"), as_of=as_of)


def _call(number: int, at: datetime) -> ParsedEvent:
    path = "/v1/geocode" if number % 4 else "/v1/matrix"
    properties = {HTTP_METHOD: "GET", RESOURCE_PATH: path, STATUS: 200, RESPONSE_LENGTH: 1900 + number}
    members = {"id": f"strangers-{at:%Y%m%d}-{number}", "type": EVENT_TYPE, "timestamp": at, "properties": properties}
    event = parse_event(members, 0, at, IngestRules(at, at, known_event_types()))
    assert isinstance(event, ParsedEvent), event
    return event
