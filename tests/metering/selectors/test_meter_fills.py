"""How far meters are filled, for one page of them by one query."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

import pytest

from metering.models import Meter, MeterFill
from metering.selectors.meter_fills import FillProgress, progress_of, unfinished_fills
from tests.metering.ledger_world import make_meter

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 10, tzinfo=UTC)


def test_progress_counts_the_days_of_all_ledgers(django_assert_num_queries: Any) -> None:
    ids = [make_meter(code, "call", fill_from=at).id for code, at in (("a", NOW), ("b", NOW), ("c", None))]
    for next_day in (date(2026, 3, 1), date(2026, 3, 3), date(2026, 3, 5)):
        MeterFill.objects.create(
            meter_id=ids[0],
            tenant_id=uuid4(),
            is_live=True,
            first_day=date(2026, 3, 1),
            next_day=next_day,
            end_day=date(2026, 3, 5),
        )
    with django_assert_num_queries(1):
        assert progress_of(ids) == {ids[0]: FillProgress(6, 12), ids[1]: FillProgress()}
    progress = progress_of(ids)
    assert str(progress[ids[0]]) == "6 of 12 days are filled"
    assert str(progress[ids[1]]) == "the first day follows within a minute"
    assert unfinished_fills(ids[0]).count() == 2
    assert Meter.objects.get(pk=ids[2]).fill_from is None
