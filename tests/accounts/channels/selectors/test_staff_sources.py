"""What accounts tell staff: new customers, and differences in the books."""

from datetime import datetime, timedelta

from accounts.channels.selectors.staff_sources import new_customers, new_differences, staff_notices_since
from accounts.models import Discrepancy, Tenant

AGO = timedelta(days=9000)


def test_new_customers_and_differences_are_found_since_a_time(acme: Tenant, now: datetime) -> None:
    Discrepancy.objects.create(
        found_by="books", subject="INV-1", code="sum", detail="1 cent", opened_at=now, seen_at=now
    )
    assert [one.title for one in new_customers(acme.created_at)] == [f"New customer: {acme.name}"]
    assert not list(new_customers(acme.created_at + timedelta(seconds=1)))
    assert [one.text for one in new_differences(now)] == ["1 cent"]
    assert not list(new_differences(now + timedelta(seconds=1)))
    assert len(list(staff_notices_since(now - AGO))) == 2
