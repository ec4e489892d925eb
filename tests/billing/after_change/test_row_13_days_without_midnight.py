"""Row 13: periods begin at midnight though the first one could not, and the days that are printed do not overlap."""

from datetime import UTC, date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.domain.documents import days_of
from billing.models import Invoice, InvoiceDocument
from billing.services.invoicing.running import run_invoicing
from metering.domain.periods import anchored_span, local_day, start_of_day
from tests.billing.world import GRACE, subscribe_tenant

# No midnight on some day, twice midnight on some, or a day that does not exist.
ODD_ZONES = ("Asia/Beirut", "Africa/Cairo", "America/Havana", "America/Asuncion", "Pacific/Apia", "America/St_Johns")
IN_BEIRUT = datetime(2026, 3, 29, 9, tzinfo=UTC)


@pytest.mark.django_db
def test_a_year_that_begins_without_a_midnight_goes_on_at_midnight() -> None:
    subscription = subscribe_tenant(as_of=IN_BEIRUT, time_zone="Asia/Beirut")
    assert f"{subscription.anchor_at.astimezone(ZoneInfo('Asia/Beirut')):%H:%M}" == "01:00"
    for _ in range(13):
        subscription.refresh_from_db()
        run_invoicing(as_of=subscription.period_end + GRACE)
    ends = [end.astimezone(ZoneInfo("Asia/Beirut")) for end in ended_periods()]
    assert {f"{end:%H:%M}" for end in ends[:-1]} == {"00:00"}
    assert [end.day for end in ends[:4]] == [29, 29, 29, 29]
    # On 28 March 2027 clocks go forward at midnight again; the period of the 29th is not concerned.
    printed = [document.content["period"] for document in InvoiceDocument.objects.order_by("invoice__boundary")[1:]]
    for before, after in pairwise(printed):
        assert date.fromisoformat(before["last_day"]) < date.fromisoformat(after["first_day"])


def ended_periods() -> list[datetime]:
    return list(Invoice.objects.filter(boundary__gt=0).order_by("boundary").values_list("period_end", flat=True))


@given(
    begins_on=st.dates(date(2009, 1, 1), date(2030, 12, 31)), zone=st.sampled_from(ODD_ZONES), index=st.integers(0, 40)
)
def test_no_two_periods_print_one_day(begins_on: date, zone: str, index: int) -> None:
    anchor = start_of_day(begins_on, zone)
    before, after = anchored_span(anchor, index, zone), anchored_span(anchor, index + 1, zone)
    assert days_of(before, zone)[1] < days_of(after, zone)[0]
    assert after.start == start_of_day(local_day(after.start, zone), zone)
