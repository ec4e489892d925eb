"""The tables of dunning."""

from billing.dunning.models.cases import DunningCase, DunningPause, DunningStep
from billing.dunning.models.schedules import DunningSchedule, PlanDunning

__all__ = ["DunningCase", "DunningPause", "DunningSchedule", "DunningStep", "PlanDunning"]
