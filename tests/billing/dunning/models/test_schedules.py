"""Schedules hold what they say, against whoever writes past the services."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from billing.dunning.models import DunningSchedule, PlanDunning
from billing.models import Plan
from tests.billing.dunning.unpaid import OVERDUE_AT
from tests.billing.world import make_plan

pytestmark = pytest.mark.django_db


def refused(name: str, write: Any) -> None:
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        write()


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"suspend_on_day": 0}, "dunning_schedule_suspend_day_bounded"),
        ({"cancel_on_day": 14}, "dunning_schedule_cancels_after_suspension"),
        ({"suspend_on_day": None, "cancel_on_day": 366}, "dunning_schedule_cancels_after_suspension"),
        ({"cancel_on_day": None}, "dunning_schedule_warns_before_cancelling"),
        ({"warn_before_days": 30}, "dunning_schedule_warns_before_cancelling"),
        ({"fee": 5}, "dunning_schedule_fee_is_whole"),
        ({"fee": 0, "fee_on_day": 3, "fee_currency": "EUR"}, "dunning_schedule_fee_is_whole"),
        ({"interest_percent": 0}, "dunning_schedule_interest_bounded"),
        ({"interest_percent": 101}, "dunning_schedule_interest_bounded"),
    ],
)
def test_a_schedule_holds_what_it_says(fields: dict[str, Any], name: str) -> None:
    schedule = DunningSchedule.objects.get()
    assert (str(schedule), schedule.terms.retry_days) == ("Default", (1, 3, 5, 7))
    refused(name, lambda: DunningSchedule.objects.update(**fields))


def test_there_is_one_default_schedule_and_a_plan_has_one() -> None:
    refused(
        "dunning_schedule_one_default",
        lambda: DunningSchedule.objects.create(name="Two", is_default=True, created_at=OVERDUE_AT),
    )
    make_plan()
    row = PlanDunning.objects.create(plan=Plan.objects.get(), schedule=DunningSchedule.objects.get())
    assert str(row) == "Pro: Default"
