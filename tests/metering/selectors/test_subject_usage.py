"""What each subject has used, summed from the events of a period."""

from datetime import UTC, datetime

import pytest

from accounts.errors import StoreUnavailableError
from metering.domain.limit_policy import CounterKey, marker_of, subject_counter
from metering.domain.limit_scopes import SUBJECTS_SCOPE
from metering.selectors import subject_usage
from metering.selectors.subject_usage import used_of_subjects
from metering.services.voids import void_event
from tests.metering.ledger_world import ledger_of, make_meter, make_tenant, send

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
MARCH = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)

pytestmark = pytest.mark.django_db


def event(number: int, subject: str | None, **more: object) -> dict[str, object]:
    return {"id": f"e{number}", "type": "tokens", "subject": subject, "timestamp": "2026-03-09T00:00:00Z", **more}


def test_events_of_the_period_are_summed_by_subject(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = make_meter("tokens", "tokens", aggregation="sum")
    ledger = ledger_of(make_tenant("acme"))
    subjects = ["ann", "ann", "bob", None, "", "gone"]
    events = [event(number, subject, quantity="1.5") for number, subject in enumerate(subjects)]
    send(ledger, [*events, event(9, "ann", timestamp="2026-02-28T23:59:59Z")], as_of=NOW)
    void_event(ledger=ledger, event_id="e5", reason="test", voided_by="test", as_of=NOW)
    marker = CounterKey(SUBJECTS_SCOPE, meter.id, *MARCH)
    ann, bob = (subject_counter(marker, subject) for subject in ("ann", "bob"))
    assert used_of_subjects(ledger, marker) == {ann: 3, bob: 1.5}
    assert marker_of(ann) == marker
    assert used_of_subjects(ledger, CounterKey(SUBJECTS_SCOPE, -1, *MARCH)) == {}, "a meter that is gone"
    monkeypatch.setattr(subject_usage, "SUBJECTS_MAX", 1)
    with pytest.raises(StoreUnavailableError):
        used_of_subjects(ledger, marker)
