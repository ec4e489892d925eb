"""Tables of the metering app."""

from metering.models.catalog import EventType, Meter
from metering.models.ingest_verdict import IngestVerdict, Verdict
from metering.models.ledger import Event, EventIdentity, EventVoid, UsageDay, UsageHour
from metering.models.retention import EventMonth, MonthStep, SealedLedger, SealedRollup, SealedUsage
from metering.models.usage_plan import QuotaPeriod, UsagePlan, UsagePlanAssignment, UsagePlanQuota

__all__ = [
    "Event",
    "EventIdentity",
    "EventMonth",
    "EventType",
    "EventVoid",
    "IngestVerdict",
    "Meter",
    "MonthStep",
    "QuotaPeriod",
    "SealedLedger",
    "SealedRollup",
    "SealedUsage",
    "UsageDay",
    "UsageHour",
    "UsagePlan",
    "UsagePlanAssignment",
    "UsagePlanQuota",
    "Verdict",
]
