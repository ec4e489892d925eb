"""Usage pushed to Stripe each hour of a day, with faults on the way: afterwards Stripe's totals are the ledger's."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.db.models import Sum

from accounts.models import Circuit
from billing.collection.gateways.stripe.provider import PROVIDER
from billing.collection.models import ProviderCustomer, PushStatus, UsagePush
from billing.collection.services.usage_push import push_usage
from config.workbench.fakestripe.server import FakeStripe
from metering.models import Meter, UsageHour
from tests.billing.collection.stripe_world import make_buyer, now
from tests.metering.ledger_world import make_meter

pytestmark = pytest.mark.django_db
RATE = 0.1
PASSES_MAX = 200
# Each hour of each meter has a quantity of its own, with decimals.
USAGE = """
INSERT INTO usage_hour
SELECT t.id, true, m.id, %(start)s::timestamptz + h * interval '1 hour', 0,
    (abs(hashtext(t.slug || m.code || h)) %% 5000)::numeric / 1000, 1
FROM accounts_tenant AS t, metering_meter AS m, generate_series(0, %(hours)s - 1) AS h
WHERE m.code LIKE 'meter%%'
"""


@pytest.mark.parametrize(("tenants", "meters", "hours"), [(4, 2, 6), pytest.param(1000, 5, 24, marks=pytest.mark.soak)])
@pytest.mark.takes_long("it sends each hour of each meter over HTTP, with faults")
def test_hourly_usage_with_faults_arrives_as_it_is_in_the_ledger(
    fake_stripe: FakeStripe, tenants: int, meters: int, hours: int
) -> None:
    for number in range(meters):
        make_meter(f"meter{number}", "http_request", aggregation="sum")
    for number in range(tenants):
        tenant = make_buyer(f"t{number}")
        ProviderCustomer.objects.create(tenant=tenant, provider=PROVIDER.name, reference=f"cus_{number}")
    start = now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    with connection.cursor() as cursor:
        cursor.execute(USAGE, {"start": start, "hours": hours})

    fake_stripe.api.faults.begin_storm(seed=5, rate=RATE)
    for hour in range(1, hours + 1):
        Circuit.objects.all().delete()
        push_usage(as_of=start + timedelta(hours=hour, minutes=5))
    fake_stripe.api.faults.end_storm()
    for _ in range(PASSES_MAX):
        Circuit.objects.all().delete()
        done = push_usage(as_of=start + timedelta(hours=hours, minutes=5))
        if not done.delivered + done.duplicates:
            break

    assert set(UsagePush.objects.values_list("status", flat=True)) <= {PushStatus.DELIVERED, PushStatus.DUPLICATE}
    assert "0 after" in fake_stripe.api.faults.drawn, "replies were lost"
    code_of = dict(Meter.objects.values_list("pk", "code"))
    customer_of = dict(ProviderCustomer.objects.values_list("tenant_id", "reference"))
    sums = UsageHour.objects.values("tenant_id", "meter_id").order_by().annotate(total=Sum("quantity"))
    ledger = {(customer_of[row["tenant_id"]], code_of[row["meter_id"]]): whole(row["total"]) for row in sums}
    assert len(ledger) == tenants * meters
    assert arrived(fake_stripe) == ledger


def whole(total: Decimal) -> int:
    return int((total + Decimal("0.5")) // 1)


def arrived(fake: FakeStripe) -> dict[tuple[str, str], int]:
    """Return Stripe's totals by customer and meter: of each hour the newest event counts."""
    newest: dict[tuple[str, str, int], int] = {}
    for event in fake.store.all("billing.meter_event"):
        payload = event["payload"]
        key = (payload["stripe_customer_id"], event["event_name"], event["timestamp"] // 3600)
        newest[key] = int(payload["value"])
    totals: dict[tuple[str, str], int] = {}
    for (customer, code, _), value in newest.items():
        totals[customer, code] = totals.get((customer, code), 0) + value
    return totals
