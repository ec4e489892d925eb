"""A meter with a formula counts the same value whichever way an event comes in, and takes it back by a void."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Tenant
from metering.domain.periods import YearMonth, local_day
from metering.models import Event, IngestVerdict
from metering.selectors.usage import monthly_usage
from metering.services.rebuild import rebuild_usage
from metering.services.reconciliation import reconcile
from tests.metering.api.conftest import Api, body_of, problem_of
from tests.metering.api.test_access_logs import record
from tests.metering.ledger_world import ledger_of, make_meter
from tests.metering.services.limits.limit_world import put_on_plan, quota_of

pytestmark = pytest.mark.django_db

TOKENS = {"type": "completion", "properties": {"input_tokens": 1000, "output_tokens": 250}}


@pytest.fixture(autouse=True)
def meters(acme: Tenant, now: datetime) -> None:
    """Create meters: tokens by a formula, of which Acme has 5000 a month, and blocks of a megabyte."""
    formula = "input_tokens + 4 * output_tokens"
    make_meter("ai_tokens", "completion", aggregation="sum", formula=formula, filters={"model": {"not_in": ["free"]}})
    make_meter("blocks", "http_request", aggregation="sum", formula="ceil(response_length / 1048576)")
    put_on_plan(acme, now, quota_of("5000", "ai_tokens"))


def used(acme: Tenant, meter: str, now: datetime) -> Decimal:
    ledger = ledger_of(acme)
    assert reconcile(ledgers=[ledger]).is_clean
    month = monthly_usage(ledger=ledger, month=YearMonth.of(local_day(now, acme.time_zone)), as_of=now)
    return next(one.quantity for one in month.meters if one.meter == meter)


def test_every_way_in_counts_what_the_formula_says(alice: Api, acme: Tenant, now: datetime) -> None:
    assert alice.post("/events", TOKENS | {"id": "one"}).status_code == 201
    assert alice.post("/events", {"events": [TOKENS | {"id": "two"}]}).status_code == 200
    assert used(acme, "ai_tokens", now) == 4000
    refused = problem_of(alice.post("/reservations", TOKENS), 429)
    assert refused["code"] == "quota_exceeded"
    small = TOKENS | {"properties": {"input_tokens": 100, "output_tokens": "25"}}
    reservation = body_of(alice.post("/reservations", small))
    assert alice.post(f"/reservations/{reservation['id']}/commit", {}).status_code == 200
    allowed = alice.post("/authorize", small | {"id": "three"})
    assert [limit["remaining"] for limit in body_of(allowed)["limits"]] == ["600"]
    assert used(acme, "ai_tokens", now) == 4400
    logs = alice.post("/access-logs", {"records": [record("r1", now, response_length=1048577), record("r2", now)]})
    assert (body_of(logs)["accepted"], used(acme, "blocks", now)) == (2, 3)
    assert alice.post("/events/two/void", {"reason": "Sent twice"}).status_code == 200
    assert used(acme, "ai_tokens", now) == 2400
    rebuild_usage(ledger=ledger_of(acme))
    assert used(acme, "ai_tokens", now) == 2400


@pytest.mark.parametrize(
    ("properties", "pointer", "reason"),
    [
        ({"input_tokens": 5}, "/properties/output_tokens", "the property output_tokens is no number"),
        ({"input_tokens": "many", "output_tokens": 1}, "/properties/input_tokens", "input_tokens is no number"),
        ({"input_tokens": 10**19, "output_tokens": 10**20 - 1}, "/properties", "more than 20 digits"),
    ],
)
def test_an_event_whose_value_cannot_be_computed_is_refused_and_shown(
    properties: dict[str, Any], pointer: str, reason: str, alice: Api, acme: Tenant, now: datetime
) -> None:
    sent = {"type": "completion", "id": "bad", "properties": properties}
    [error] = problem_of(alice.post("/events", sent), 422)["errors"]
    assert (error["code"], error["pointer"]) == ("formula_failed", pointer)
    assert reason in error["detail"]
    batch = body_of(alice.post("/events", {"events": [sent, TOKENS | {"id": "good"}]}))
    assert (batch["accepted"], batch["rejected"], batch["results"][0]["code"]) == (1, 1, "formula_failed")
    assert problem_of(alice.post("/authorize", sent), 422)["errors"][0]["code"] == "formula_failed"
    assert problem_of(alice.post("/reservations", sent), 422)["errors"][0]["code"] == "formula_failed"
    assert set(IngestVerdict.objects.filter(code="formula_failed").values_list("event_id", flat=True)) == {"bad"}
    assert (Event.objects.count(), used(acme, "ai_tokens", now)) == (1, 2000)


def test_an_event_that_the_meter_does_not_count_needs_no_value(alice: Api, acme: Tenant, now: datetime) -> None:
    free = {"type": "completion", "id": "free", "properties": {"model": "free"}}
    assert alice.post("/events", free).status_code == 201
    assert used(acme, "ai_tokens", now) == 0
