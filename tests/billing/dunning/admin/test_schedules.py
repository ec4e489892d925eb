"""Billing staff edit schedules in words of days; a wrong day is shown at its field."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry
from billing.dunning.models import DunningSchedule
from billing.models import Plan
from tests.billing.dunning.unpaid import overdue
from tests.billing.world import make_plan

pytestmark = pytest.mark.django_db
ADD = "admin:dunning_dunningschedule_add"
GIVEN = {
    "name": "Enterprise", "retry_days": "2, 4 8", "reminder_days": "", "suspend_on_day": "20", "cancel_on_day": "",
    "warn_before_days": "", "past_due_may_use": "on", "past_due_may_change_plan": "on", "fee_on_day": "",
    "fee": "", "fee_currency": "", "interest_percent": "9.27",
}  # fmt: skip


def test_a_schedule_is_added_for_a_plan_changed_and_deleted(as_bo: Client, as_kim: Client) -> None:
    plan = make_plan().plan
    assert as_kim.get(reverse(ADD)).status_code == 403
    assert "Charge the card again on days" in as_bo.get(reverse(ADD)).content.decode()

    assert as_bo.post(reverse(ADD), GIVEN | {"followed_by": [str(plan.pk)]}).status_code == 302
    made = DunningSchedule.objects.get(name="Enterprise")
    assert (made.retry_days, made.reminder_days, str(made.interest_percent)) == ([2, 4, 8], [], "9.2700")
    assert list(Plan.objects.filter(dunning__schedule=made)) == [plan]
    page = reverse("admin:dunning_dunningschedule_change", args=[made.pk])
    assert 'value="2, 4, 8"' in as_bo.get(page).content.decode()

    assert as_bo.post(page, GIVEN | {"retry_days": "1"}).status_code == 302
    made.refresh_from_db()
    assert made.retry_days == [1]
    assert not made.plans.exists()
    assert (
        as_bo.post(reverse("admin:dunning_dunningschedule_delete", args=[made.pk]), {"post": "yes"}).status_code == 302
    )
    actions = AuditEntry.objects.filter(action__startswith="dunning_schedule").order_by("pk")
    assert [entry.action.split(".")[1] for entry in actions] == ["created", "changed", "deleted"]
    assert actions[1].before == {"retry_days": [2, 4, 8]}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"retry_days": "1, x"}, "Days as numbers"),
        ({"retry_days": "3, 1"}, "Each day once"),
        ({"warn_before_days": "3"}, "Fewer days than until the cancellation"),
        ({"fee": "5"}, "A fee needs its day"),
    ],
)
def test_what_makes_no_schedule_is_said_at_its_field(as_bo: Client, changed: dict[str, str], said: str) -> None:
    page = as_bo.post(reverse(ADD), GIVEN | changed)
    assert page.status_code == 200
    assert said in page.content.decode()


def test_the_default_schedule_and_one_that_was_used_stay(as_robin: Client) -> None:
    overdue()
    default = DunningSchedule.objects.get()
    assert as_robin.post(
        reverse("admin:dunning_dunningschedule_delete", args=[default.pk]), {"post": "yes"}
    ).status_code == 403  # fmt: skip
    text = as_robin.get(reverse("admin:dunning_dunningschedule_changelist")).content.decode()
    assert "1, 3, 5, 7" in text
    assert "all others" in text
