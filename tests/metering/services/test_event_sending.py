"""Lines become batches: each has its outcome, faults have their line's number, and the same lines count once."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from accounts.domain.scopes import Scope
from accounts.selectors.api_keys import find_principal
from metering.gateways.event_api import BatchOutcome, RejectedItem
from metering.gateways.log_lines import LogLine
from metering.models import Event
from metering.services import event_sending
from metering.services.event_sending import SendingTotals, send_lines, store_here
from tests.metering.ledger_world import make_key, make_tenant

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)


def lines(*texts: bytes) -> list[LogLine]:
    return [LogLine(number, text) for number, text in enumerate(texts, start=1)]


def accept(sent: list[Sequence[bytes]], texts: Sequence[bytes]) -> BatchOutcome:
    sent.append(texts)
    return BatchOutcome(len(texts), 0)


def test_blank_long_and_broken_lines_are_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_sending, "LINES_PER_BATCH", 2)
    given = [*lines(b"a", b" ", b"b", b"\xff", b"c", b"d"), LogLine(7, b"x", is_cut=True), LogLine(8, b"e")]
    sent: list[Sequence[bytes]] = []
    seen: list[int] = []
    totals = send_lines(
        lines=given,
        send=lambda texts: accept(sent, texts),
        first_line=2,
        on_progress=lambda so_far: seen.append(so_far.last_line),
        is_interrupted=lambda: False,
    )
    assert sent == [[b"b", b"c"], [b"d", b"e"]]
    assert (totals.accepted, totals.refused, seen) == (4, 2, [5, 8])
    assert [line.number for line in totals.first_refused] == [4, 7]


def test_a_batch_is_no_larger_than_a_request_and_an_interruption_ends_after_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_sending, "BYTES_PER_BATCH", 10)
    sent: list[Sequence[bytes]] = []
    totals = send_lines(
        lines=lines(b"12345", b"6789012", b"3"),
        send=lambda texts: accept(sent, texts),
        first_line=1,
        on_progress=lambda _: None,
        is_interrupted=lambda: True,
    )
    assert (sent, totals.last_line) == ([[b"12345"]], 1)


def test_only_the_first_refused_lines_are_kept() -> None:
    totals = SendingTotals()
    refused = [RejectedItem(n, "invalid_id", "An id.") for n in range(30)]
    totals.add(lines(*[b"x"] * 30), BatchOutcome(0, 0, refused))
    assert (totals.refused, len(totals.first_refused)) == (30, event_sending.REFUSED_KEPT_MAX)
    assert totals.first_refused[0].reason == "invalid_id: An id."


@pytest.mark.django_db
def test_lines_are_stored_here_as_the_api_would() -> None:
    tenant = make_tenant("acme")
    _, secret = make_key(tenant, scopes=[Scope.EVENTS_WRITE])
    principal = find_principal(secret, NOW)
    assert principal is not None
    assert principal.tenant is not None
    send = store_here(principal=principal, tenant=principal.tenant, request_id="x", as_of=lambda: NOW)
    batch = [b'{"id": "a", "type": "http_request"}', b"{", b'{"id": "b", "type": "nonesuch"}']
    assert send(batch) == BatchOutcome(
        1,
        0,
        [
            RejectedItem(1, "invalid_json", send(batch).results[0].detail),
            RejectedItem(2, "unknown_event_type", "No event type has this name."),
        ],
    )
    assert send(batch).duplicates == 1
    assert Event.objects.count() == 1
