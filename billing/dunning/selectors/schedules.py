"""Which schedule a plan follows, and what it lets a customer do in each stage."""

from billing.dunning.domain.states import ServiceStage
from billing.dunning.models import DunningSchedule


def schedule_of_plan(plan_id: int) -> DunningSchedule:
    """Return the plan's own schedule, else the default one."""
    own = DunningSchedule.objects.filter(plans__plan=plan_id).first()
    return own or DunningSchedule.objects.get(is_default=True)


def may_use(schedule: DunningSchedule, stage: str) -> bool:
    """Return whether customers may use the service in this stage. A cancelled one is treated as a suspended one."""
    return schedule.past_due_may_use if stage == ServiceStage.PAST_DUE else schedule.suspended_may_use


def may_change_plan(schedule: DunningSchedule, stage: str) -> bool:
    """Return whether customers may change their plan in this stage, or order one after its cancellation."""
    return schedule.past_due_may_change_plan if stage == ServiceStage.PAST_DUE else schedule.suspended_may_change_plan
