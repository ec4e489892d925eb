"""The usage of a key since an instant: by endpoint, bounded, without other keys and other halves."""

from datetime import UTC, datetime, timedelta

import pytest

from metering.selectors.key_usage import KeySpan, types_of_key, uses_of_key
from tests.metering.ledger_world import ledger_of, make_key, make_tenant, send

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.mark.django_db
def test_events_are_found_by_their_key_and_when_they_were_received() -> None:
    tenant = make_tenant("acme")
    key, other = (make_key(tenant)[0] for _ in range(2))
    for number, (sender, is_live) in enumerate([(key, True), (key, True), (other, True), (key, False)]):
        at = NOW + timedelta(minutes=number)
        event = {"id": f"e{number}", "type": "http_request"}
        send(ledger_of(tenant, is_live=is_live), [event], as_of=at, api_key_id=sender.pk)

    span = KeySpan(ledger_of(tenant), key.pk, NOW, NOW + timedelta(hours=1))
    assert types_of_key(span) == ["http_request"]
    [use] = uses_of_key(span)
    assert (use.type, use.endpoint, use.events) == ("http_request", "", 2)
    assert types_of_key(KeySpan(span.ledger, key.pk, NOW - timedelta(hours=1), NOW)) == []
