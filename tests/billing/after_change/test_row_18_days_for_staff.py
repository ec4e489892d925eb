"""Row 18: staff see a period in the days of the customer, with the zone, wherever a period is shown."""

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from accounts.models import User
from billing.admin.days import day_text, days_text
from billing.models import Invoice, Subscription
from tests.billing.admin.desk import listed, page
from tests.billing.world import close_month, first_invoice, subscribe_tenant

IN_TOKYO = datetime(2026, 3, 1, 3, tzinfo=UTC)
MARCH = "2026-03-01 to 2026-03-31"


@pytest.fixture
def as_bo(db: None) -> Client:
    user = User.objects.create_user("bo@example.org", None, is_staff=True)
    user.groups.add(Group.objects.get(name="Billing"))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def subscription(db: None) -> Subscription:
    made = subscribe_tenant(as_of=IN_TOKYO, time_zone="Asia/Tokyo")
    first_invoice(made)
    made.refresh_from_db()
    return made


def read(client: Client, address: str) -> str:
    return client.get(address).content.decode()


def test_lists_and_pages_show_the_customers_days_and_name_their_zone(as_bo: Client, subscription: Subscription) -> None:
    first = Invoice.objects.get()
    pages = [
        listed(Invoice), listed(Subscription), page(first), page(subscription), page(subscription.tenant),
        page(subscription, "preview"),
    ]  # fmt: skip
    for address in pages:
        text = read(as_bo, address)
        assert MARCH in text, address
        assert "Asia/Tokyo" in text, address
        assert "2026-02-28 to" not in text, address


def test_the_last_period_ends_on_its_last_day(as_bo: Client, subscription: Subscription) -> None:
    closed = close_month(subscription)
    assert MARCH in read(as_bo, page(closed))
    assert "2026-04-01 to 2026-04-30" in read(as_bo, listed(Subscription))


def test_a_run_previews_the_customers_days(as_bo: Client) -> None:
    subscribe_tenant("late", as_of=IN_TOKYO, time_zone="Asia/Tokyo")
    text = read(as_bo, "/admin/billing/invoice/run/?month=&tenant=late")
    assert MARCH in text
    assert "Asia/Tokyo" in text


def test_a_period_of_one_day_is_shown_as_one_day() -> None:
    start, end = datetime(2026, 2, 28, 15, tzinfo=UTC), datetime(2026, 3, 1, 15, tzinfo=UTC)
    assert days_text(start, end, "Asia/Tokyo") == days_text(start, start, "Asia/Tokyo") == "2026-03-01"
    assert days_text(start, end, "UTC") == "2026-02-28 to 2026-03-01"
    assert day_text(start, "Asia/Tokyo") == "2026-03-01 (Asia/Tokyo)"
