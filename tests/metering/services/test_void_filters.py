"""Voids by a filter: only what it names, in batches, once, and usage falls by exactly that."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.domain.actor import Actor
from accounts.models import AuditEntry, JobRun, Tenant
from metering.domain.ledger import Ledger
from metering.domain.periods import Span
from metering.models import EventVoid, UsageDay, UsageHour
from metering.selectors.catalog import forget_catalog
from metering.services import void_filters
from metering.services.reconciliation import reconcile
from metering.services.void_filters import VoidFilter, count_matching, void_matching
from tests.metering.ledger_world import ledger_of, make_key, make_meter, make_tenant, send
from tests.metering.retention_world import seal

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
HOUR = Span(NOW - timedelta(hours=3), NOW - timedelta(hours=1))
WANTED = VoidFilter("http_request", HOUR)
STAFF = Actor.system("a member of staff")


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    forget_catalog()


@pytest.fixture
def acme() -> Tenant:
    return make_tenant("acme", time_zone="Asia/Kolkata")


@pytest.fixture
def ledger(acme: Tenant) -> Ledger:
    return ledger_of(acme)


def sent(ledger: Ledger, *minutes_ago: int, prefix: str = "e", **more: Any) -> None:
    events = [
        {
            "id": f"{prefix}{number}",
            "type": "http_request",
            "timestamp": NOW - timedelta(minutes=ago),
            "properties": {"response_length": 10},
        }
        | more
        for number, ago in enumerate(minutes_ago)
    ]
    send(ledger, events, as_of=NOW)


def voided(ledger: Ledger) -> int:
    return EventVoid.objects.of_ledger(ledger.tenant_id, is_live=ledger.is_live).count()


def requests_of(ledger: Ledger) -> Decimal:
    return sum((hour.events for hour in UsageHour.objects.of_ledger(ledger.tenant_id, is_live=True)), Decimal(0)) / 2


def void(*ledgers: Ledger, wanted: VoidFilter = WANTED) -> int:
    return void_matching(
        ledgers=ledgers, wanted=wanted, reason="load test", actor=STAFF, as_of=NOW, on_progress=lambda _: None
    )


def test_only_events_within_the_span_are_void_and_usage_falls_by_them(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(void_filters, "EVENTS_PER_BATCH", 2)
    sent(ledger, 30, 60, 61, 100, 100, 100, 179, 180, 181)
    found = count_matching(ledger=ledger, wanted=WANTED, as_of=NOW)
    assert (found.events, found.closed) == (6, 0)
    assert found.quantities == {"api_requests": 6, "api_bytes": 60}
    assert voided(ledger) == 0
    assert void(ledger) == 6
    assert (voided(ledger), requests_of(ledger)) == (6, 3)
    assert reconcile(ledgers=[ledger]).is_clean
    assert (void(ledger), voided(ledger)) == (0, 6)
    [entry] = AuditEntry.objects.filter(action="events.voided")
    assert (entry.after["events"], entry.after["reason"], entry.after["usage"]["api_bytes"]) == (6, "load test", "60")
    assert [run.summary["voided"] for run in JobRun.objects.order_by("pk")] == [6, 0]


def test_subject_key_and_ledger_narrow_the_filter(acme: Tenant, ledger: Ledger) -> None:
    key, _ = make_key(acme)
    sent(ledger, 90, 90, prefix="ann", subject="ann")
    sent(ledger, 90, prefix="bob", subject="bob")
    sent(ledger_of(acme, is_live=False), 90, prefix="test")
    assert void(ledger, wanted=VoidFilter("http_request", HOUR, subject="bob")) == 1
    assert void(ledger, wanted=VoidFilter("http_request", HOUR, api_key_id=key.pk)) == 0
    assert void(ledger) == 2
    assert voided(ledger_of(acme, is_live=False)) == 0


def test_a_crash_half_way_leaves_whole_batches_and_the_next_call_goes_on(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(void_filters, "EVENTS_PER_BATCH", 2)
    sent(ledger, *range(70, 75))

    def die(done: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        void_matching(ledgers=[ledger], wanted=WANTED, reason="x", actor=STAFF, as_of=NOW, on_progress=die)
    assert voided(ledger) == 4
    assert (void(ledger), voided(ledger), requests_of(ledger)) == (1, 5, 0)
    assert reconcile(ledgers=[ledger]).is_clean


def test_usage_that_does_not_add_up_is_computed_again_for_each_day(ledger: Ledger) -> None:
    make_meter("largest", "http_request", aggregation="max", value_property="response_length")
    sent(ledger, 30, 90, 170)
    assert void(ledger) == 2
    UsageHour.objects.filter(events=0).delete()
    UsageDay.objects.filter(events=0).delete()
    assert reconcile(ledgers=[ledger]).is_clean


def test_events_of_a_closed_month_stay(ledger: Ledger) -> None:
    sent(ledger, 90)
    seal([ledger])
    found = count_matching(ledger=ledger, wanted=WANTED, as_of=NOW)
    assert (found.events, found.closed) == (0, 1)
    assert (void(ledger), voided(ledger)) == (0, 0)


def run(*more: str, event_type: str = "http_request", reason: str = "load test") -> None:
    call_command(
        "void_events", "--type", event_type, "--between", HOUR.start.isoformat(), HOUR.end.isoformat(),
        "--reason", reason, *more,
    )  # fmt: skip


def test_the_command_voids_only_with_commit(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    sent(ledger, 90, 91)
    run("--tenant", "acme")
    out = capsys.readouterr().out
    assert "acme: 2 events, api_requests -2, api_bytes -20" in out
    assert "Nothing was changed" in out
    assert voided(ledger) == 0
    run("--commit")
    assert "2 events voided." in capsys.readouterr().out
    assert voided(ledger) == 2


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--tenant", "nonesuch"), "no tenant"),
        (("--api-key", "ch_live_xxxx"), "needs --tenant"),
        (("--tenant", "acme", "--api-key", "ch_live_xxxx"), "--api-key"),
        (("--between", "2026-03-10T00:00:00", "2026-03-11T00:00:00Z"), "offset"),
        (("--between", "2026-03-12T00:00:00Z", "2026-03-11T00:00:00Z"), "before"),
        (("--type", "nonesuch"), "no event type"),
        (("--reason", " "), "reason"),
    ],
)
def test_a_wrong_filter_is_refused(acme: Tenant, more: tuple[str, ...], words: str) -> None:
    assert acme.slug == "acme"
    with pytest.raises(CommandError, match=words):
        run(*more)
