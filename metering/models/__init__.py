"""Tables of the metering app."""

from metering.models.catalog import EventType, Meter
from metering.models.ingest_verdict import IngestVerdict, Verdict
from metering.models.ledger import Event, EventIdentity, EventVoid, UsageDay, UsageHour
from metering.models.usage_plan import QuotaPeriod, UsagePlan, UsagePlanAssignment, UsagePlanQuota

__all__ = [
    "Event",
    "EventIdentity",
    "EventType",
    "EventVoid",
    "IngestVerdict",
    "Meter",
    "QuotaPeriod",
    "UsageDay",
    "UsageHour",
    "UsagePlan",
    "UsagePlanAssignment",
    "UsagePlanQuota",
    "Verdict",
]
