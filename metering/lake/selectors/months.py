"""Which months of events a question reads from the lake."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Final

from accounts.models import Tenant
from accounts.sql import fetch_all
from metering.domain.retention import month_after, month_start
from metering.lake.domain.questions import Range
from metering.lake.models import LakeMonth
from metering.models import EventMonth, MonthStep

COUNTS: Final = """
SELECT (SELECT count(*) FROM event AS e WHERE e.occurred_at >= %(start)s AND e.occurred_at < %(end)s),
    (SELECT count(*) FROM event_void AS v WHERE v.occurred_at >= %(start)s AND v.occurred_at < %(end)s)
"""


def months_in_lake(span: Range) -> list[date]:
    """Return the months in a span whose events are read from the lake, in order.

    These are the months that are sealed and did not change since, and those that the lake alone has.
    """
    deleted = set(months_deleted(span))
    months = LakeMonth.objects.filter(**_within("month", span)).order_by("month")
    return [month.month for month in months if month.month in deleted or not has_changed(month)]


def months_deleted(span: Range) -> list[date]:
    """Return the months in a span whose events are deleted from the ledger, in order."""
    deleted = EventMonth.objects.filter(step=MonthStep.DELETED, **_within("month", span))
    return list(deleted.order_by("month").values_list("month", flat=True))


def months_gone(span: Range) -> list[date]:
    """Return the months in a span whose events are deleted, and which are not in the lake."""
    kept = LakeMonth.objects.values_list("month", flat=True)
    return sorted(set(months_deleted(span)) - set(kept))


def has_changed(month: LakeMonth) -> bool:
    """Return whether events of a month were added or voided since it was sealed. The ledger still has them."""
    span = {"start": month_start(month.month), "end": month_start(month_after(month.month))}
    [counts] = fetch_all(COUNTS, span)
    return counts != (month.events, month.voids)


def slugs_by_id() -> Mapping[str, str]:
    """Return the slugs that tenants have now."""
    return {str(pk): slug for pk, slug in Tenant.objects.values_list("pk", "slug")}


def _within(field: str, span: Range) -> dict[str, date | datetime]:
    """Return the condition on first days of months that touch a span."""
    condition: dict[str, date | datetime] = {}
    if span.start:
        condition[f"{field}__gte"] = span.start.date().replace(day=1)
    if span.end:
        condition[f"{field}__lte"] = span.end.date()
    return condition
