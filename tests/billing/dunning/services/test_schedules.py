"""Schedules are changed as a whole, each change with an audit entry; open cases keep their steps."""

from typing import Any

import pytest

from accounts.errors import InvalidFieldsError
from accounts.models import AuditEntry
from billing.dunning.errors import DunningScheduleError
from billing.dunning.models import DunningSchedule
from billing.dunning.services.schedules import FIELDS, check_schedule, delete_schedule, save_schedule
from billing.models import Plan
from tests.billing.dunning.unpaid import OVERDUE_AT, overdue, steps_of
from tests.billing.world import STAFF

pytestmark = pytest.mark.django_db


def given(**changes: Any) -> dict[str, Any]:
    default = DunningSchedule.objects.get(is_default=True)
    return {name: getattr(default, name) for name in FIELDS} | {"name": "Other"} | changes


def test_a_plan_moves_between_schedules_and_open_cases_keep_their_steps() -> None:
    invoice = overdue()
    before = steps_of(invoice)
    plan = Plan.objects.get()
    one, two = (
        save_schedule(schedule=None, changes=given(name=name), plans=[plan], actor=STAFF, as_of=OVERDUE_AT)
        for name in ("One", "Two")
    )
    assert (one.plans.count(), two.plans.count()) == (0, 1)
    default = DunningSchedule.objects.get(is_default=True)
    changes = given(name="Default", reminder_days=[2])
    save_schedule(schedule=default, changes=changes, plans=[], actor=STAFF, as_of=OVERDUE_AT)
    assert steps_of(invoice) == before
    entry = AuditEntry.objects.filter(action="dunning_schedule.changed").get()
    assert (entry.before, entry.after) == ({"reminder_days": [1, 7, 14]}, {"reminder_days": [2], "plans": []})

    delete_schedule(schedule=two, actor=STAFF, as_of=OVERDUE_AT)
    assert not hasattr(Plan.objects.get(), "dunning")
    for kept in (default, invoice.dunning_cases.get().schedule):
        with pytest.raises(DunningScheduleError):
            delete_schedule(schedule=kept, actor=STAFF, as_of=OVERDUE_AT)


def test_a_schedule_that_was_used_is_not_deleted() -> None:
    made = save_schedule(schedule=None, changes=given(), plans=[], actor=STAFF, as_of=OVERDUE_AT)
    overdue().dunning_cases.update(schedule=made)
    with pytest.raises(DunningScheduleError, match="followed up"):
        delete_schedule(schedule=made, actor=STAFF, as_of=OVERDUE_AT)


def test_half_a_fee_is_refused() -> None:
    check_schedule(given(fee=5, fee_on_day=3, fee_currency="EUR"))
    with pytest.raises(InvalidFieldsError):
        check_schedule(given(fee=5, fee_on_day=3))
