"""Row 13: periods begin at midnight although the first one could not, and printed days do not overlap."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.domain.documents import days_of
from billing.models import Invoice, InvoiceDocument, Subscription
from billing.services.invoicing.running import run_invoicing
from billing.verification.services.running import run_verification
from metering.domain.periods import anchored_span, local_day, start_of_day
from tests.billing.world import GRACE, close_month, first_invoice, subscribe_tenant, use

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


@pytest.mark.django_db
def test_a_period_that_was_stored_from_one_o_clock_on_is_neither_counted_twice_nor_left_out() -> None:
    # A subscription of the code before: its second period was due at 01:00, and its first was invoiced until then.
    subscription = subscribe_tenant(as_of=IN_BEIRUT, time_zone="Asia/Beirut")
    first_invoice(subscription)
    one_o_clock = datetime(2026, 4, 28, 22, tzinfo=UTC)
    for minutes in (-90, -30, 30):  # before midnight, before one o'clock, after
        use(subscription.tenant, 1000, at=one_o_clock + timedelta(minutes=minutes))
    Subscription.objects.update(due_at=one_o_clock, period_end=one_o_clock)
    april = close_month(subscription)
    assert april.period_end == one_o_clock - timedelta(hours=1)
    subscription.refresh_from_db()
    may = close_month(subscription)
    assert may.period_start == april.period_end
    quantities = [invoice.lines.get(kind="usage", revision=invoice.revision).quantity for invoice in (april, may)]
    assert quantities == [1000, 2000]
    assert run_verification(started_by="test", as_of=may.period_end + GRACE).differences == []


@pytest.mark.django_db
def test_what_was_invoiced_until_one_o_clock_is_not_invoiced_again() -> None:
    subscription = subscribe_tenant(as_of=IN_BEIRUT, time_zone="Asia/Beirut")
    first_invoice(subscription)
    close_month(subscription)
    one_o_clock = datetime(2026, 4, 28, 22, tzinfo=UTC)
    use(subscription.tenant, 1000, at=one_o_clock - timedelta(minutes=30))
    use(subscription.tenant, 500, at=one_o_clock + timedelta(minutes=30))
    Subscription.objects.update(period_start=one_o_clock)
    may = close_month(subscription)
    line = may.lines.get(kind="usage", revision=may.revision)
    assert (line.quantity, line.period_start) == (500, one_o_clock)


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
