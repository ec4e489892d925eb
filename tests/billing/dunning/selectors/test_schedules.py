"""Which schedule a plan follows, and what each stage allows."""

import pytest

from billing.dunning.models import DunningSchedule, PlanDunning
from billing.dunning.selectors.schedules import may_change_plan, may_use, schedule_of_plan
from tests.billing.dunning.unpaid import FAILED_AT
from tests.billing.world import make_plan

pytestmark = pytest.mark.django_db


def test_a_plan_follows_its_own_schedule_else_the_default_one() -> None:
    plan = make_plan().plan
    default = DunningSchedule.objects.get()
    assert schedule_of_plan(plan.pk) == default
    own = DunningSchedule.objects.create(name="Own", created_at=FAILED_AT)
    PlanDunning.objects.create(plan=plan, schedule=own)
    assert schedule_of_plan(plan.pk) == own


@pytest.mark.parametrize("stage", ["past_due", "suspended", "cancelled"])
def test_what_a_stage_allows_is_the_schedules_and_an_ended_plan_is_as_a_suspended_one(stage: str) -> None:
    schedule = DunningSchedule.objects.get()
    assert may_use(schedule, stage) == may_change_plan(schedule, stage) == (stage == "past_due")
