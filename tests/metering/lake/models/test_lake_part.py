"""The constraints of what was sealed."""

from datetime import date
from typing import Any

import pytest
from django.db import IntegrityError

from metering.lake.models import LakeMonth, LakePart
from tests.metering.lake.lake_world import NOON

pytestmark = pytest.mark.django_db


def part(**fields: Any) -> LakePart:
    facts = {"table": "events", "starts_on": date(2026, 3, 1), "rows": 1, "quantity": 1, "digest": 1, "files": 1}
    return LakePart.objects.create(**(facts | {"bytes": 1, "sealed_at": NOON} | fields))


def test_a_part_is_recorded_once() -> None:
    assert str(part()) == "events 2026-03-01"
    with pytest.raises(IntegrityError, match="lake_part_once"):
        part()


def test_rows_are_not_negative() -> None:
    with pytest.raises(IntegrityError, match="lake_part_rows_not_negative"):
        part(rows=-1)


def test_a_month_begins_on_its_first_day() -> None:
    assert str(LakeMonth(month=date(2026, 3, 1))) == "2026-03"
    with pytest.raises(IntegrityError, match="lake_month_is_first_day"):
        LakeMonth.objects.create(month=date(2026, 3, 2), events=0, sealed_at=NOON)
