"""Tables of the metering app."""

from metering.models.budget import Budget, BudgetScopes
from metering.models.catalog import EventType, Meter, MeterFill, MeterVersion, ProductCode
from metering.models.ingest_verdict import IngestVerdict, Verdict
from metering.models.ledger import Event, EventIdentity, EventVoid, UsageDay, UsageHour
from metering.models.log_source import LogFile, LogSource
from metering.models.reservation import Reservation
from metering.models.retention import EventMonth, MonthStep, SealedLedger, SealedRollup, SealedUsage
from metering.models.uncounted_ledger import UncountedLedger
from metering.models.usage_plan import (
    LimitScopes,
    QuotaPeriod,
    UsagePlan,
    UsagePlanAssignment,
    UsagePlanQuota,
    UsagePlanThrottle,
)

__all__ = [
    "Budget",
    "BudgetScopes",
    "Event",
    "EventIdentity",
    "EventMonth",
    "EventType",
    "EventVoid",
    "IngestVerdict",
    "LimitScopes",
    "LogFile",
    "LogSource",
    "Meter",
    "MeterFill",
    "MeterVersion",
    "MonthStep",
    "ProductCode",
    "QuotaPeriod",
    "Reservation",
    "SealedLedger",
    "SealedRollup",
    "SealedUsage",
    "UncountedLedger",
    "UsageDay",
    "UsageHour",
    "UsagePlan",
    "UsagePlanAssignment",
    "UsagePlanQuota",
    "UsagePlanThrottle",
    "Verdict",
]
