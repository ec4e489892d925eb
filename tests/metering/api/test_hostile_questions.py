"""No query makes a 5xx."""

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.metering.api.conftest import Api

pytestmark = pytest.mark.django_db

ODD = [
    "",
    "0",
    "-1",
    "1e5",
    "nan",
    "null",
    "[]",
    "%00",
    "\x00",
    "';",
    "999999999999999999999",
    "2026-11",
    "2026-11-21",
    "9998-12-31",
    "0001-01-01",
    "2026-02-30",
    "٢٠٢٦-01-01",
    "9999-12-31T23:59:59-23:59",
    "0001-01-01T00:00:00+14:00",
    "2026-11-21T00:00:00Z",
    "1500000000000",
    "253402300799999",
    "hour",
    "day",
    "month",
    "status",
    "api_key",
    "subject",
    "status,subject,api_key",
    "api_bytes",
    "ch_live_abcd",
    "7f000000-0000-7000-8000-000000000000",
]
odd = st.one_of(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), st.sampled_from(ODD))
NAMES = [
    "start",
    "end",
    "meter",
    "api_key",
    "window",
    "group_by",
    "month",
    "limit",
    "cursor",
    "type",
    "subject",
    "tenant",
    "bom",
    "top",
    "fill",
]
names = st.sampled_from(
    [*NAMES, "filter[status]", "filter[api_key]", "filter[subject]", "filter[]", "filter[a]b", "filter"]
)
paths = st.sampled_from(["/usage/monthly", "/usage/daily", "/usage/realtime", "/usage/query", "/events"])


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    path=paths,
    query=st.dictionaries(names, st.one_of(odd, st.lists(odd, max_size=3)), max_size=4),
    accept=st.sampled_from(["*/*", "text/csv", "application/x-ndjson"]),
)
def test_odd_query_parameters_are_processed_or_refused(
    alice: Api, path: str, query: dict[str, Any], accept: str
) -> None:
    response = alice.get(path, query, Accept=accept)
    assert response.status_code in {200, 400, 404, 406, 422}, b"".join(response)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(event_id=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
@example("/")
@example("//")
def test_an_event_is_found_under_exactly_the_id_it_was_given(alice: Api, event_id: str) -> None:
    sent = alice.post("/events", {"id": event_id, "type": "http_request"})
    found = alice.get(f"/events/{quote(event_id, safe='')}")
    if "\x00" in event_id:
        assert sent.status_code == 422
        assert found.status_code in {400, 404}
    else:
        assert sent.status_code in {200, 201}
        assert found.status_code == 200, event_id
        assert found.json()["id"] == event_id  # type: ignore[attr-defined]  # the test client's own response
