"""Which months of events are read from the lake."""

from datetime import UTC, date, datetime

import pytest

from metering.lake.domain.questions import Range
from metering.lake.models import LakeMonth
from metering.lake.selectors.months import months_gone, months_in_lake, slugs_by_id
from metering.models import EventMonth, MonthStep
from metering.services.voids import void_event
from tests.metering.lake.lake_world import NOON, request_event
from tests.metering.ledger_world import ledger_of, make_tenant, send

pytestmark = pytest.mark.django_db
MARCH, APRIL, MAY = date(2026, 3, 1), date(2026, 4, 1), date(2026, 5, 1)


def seal(month: date, events: int) -> None:
    LakeMonth.objects.create(month=month, events=events, sealed_at=NOON)


def test_a_month_is_read_from_the_lake_until_something_is_added_or_voided() -> None:
    ledger = ledger_of(make_tenant("acme"))
    send(ledger, [request_event("one", NOON)], as_of=NOON)
    seal(MARCH, events=1)
    assert months_in_lake(Range()) == [MARCH]
    assert months_in_lake(Range(datetime(2026, 4, 1, tzinfo=UTC), None)) == []
    assert months_in_lake(Range(None, datetime(2026, 2, 1, tzinfo=UTC))) == []
    void_event(ledger=ledger, event_id="one", reason="", voided_by="Ada", as_of=NOON)
    assert months_in_lake(Range()) == []
    LakeMonth.objects.update(voids=1)
    assert months_in_lake(Range()) == [MARCH]
    send(ledger, [request_event("two", NOON)], as_of=NOON)
    assert months_in_lake(Range()) == []


def test_a_deleted_month_is_read_from_the_lake_or_is_gone() -> None:
    seal(APRIL, events=5)
    for month in (APRIL, MAY):
        EventMonth.objects.create(month=month, step=MonthStep.DELETED, at=NOON)
    assert months_in_lake(Range()) == [APRIL]
    assert months_gone(Range()) == [MAY]
    assert months_gone(Range(None, datetime(2026, 4, 9, tzinfo=UTC))) == []


def test_slugs_are_those_of_now() -> None:
    tenant = make_tenant("acme")
    assert slugs_by_id() == {str(tenant.pk): "acme"}
