"""A ledger to write to, and events to write."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from metering.domain.event_input import parse_event
from metering.domain.events import IngestRules, ParsedEvent, Rejection
from metering.domain.ledger import Ledger

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
RULES = IngestRules(
    window_start=NOW - timedelta(days=400),
    latest=NOW + timedelta(minutes=5),
    known_types=frozenset({"http_request", "tokens"}),
)
TENANT = UUID("01956f00-0000-7000-8000-00000000000a")
OTHER_TENANT = UUID("01956f00-0000-7000-8000-00000000000b")


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(tenant_id=TENANT, is_live=True, time_zone="Europe/Berlin", backfill_days=35)


@pytest.fixture
def other_ledger() -> Ledger:
    return Ledger(tenant_id=OTHER_TENANT, is_live=True, time_zone="UTC", backfill_days=35)


@pytest.fixture
def events() -> Callable[..., list[ParsedEvent]]:
    """Parse events as the API does, each given as the object a client would send."""

    def parse(*objects: dict[str, Any]) -> list[ParsedEvent]:
        parsed = []
        for index, value in enumerate(objects):
            body = msgspec.json.encode({"type": "http_request", **value})
            event = parse_event(msgspec.Raw(body), index, NOW, RULES)
            assert not isinstance(event, Rejection), event
            parsed.append(event)
        return parsed

    return parse
