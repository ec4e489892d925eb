"""Usage to Stripe: the total of each hour, again when it changed, and each push a row with its outcome."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from pytest_django import Settings

from accounts.errors import ConflictError, NotFoundError
from accounts.models import Tenant
from billing.collection.gateways.stripe import api as stripe_api
from billing.collection.gateways.stripe.provider import PROVIDER
from billing.collection.gateways.stripe.usage import StripeMeters
from billing.collection.models import PaymentFinding, UsagePush
from billing.collection.selectors.usage import pending_pushes
from billing.collection.services import usage_push as stripe_push
from billing.collection.services.customers import ensure_customer
from billing.collection.services.reconciling import reconcile_payments
from billing.collection.services.usage_push import Pushed, plan_pushes, push_usage, retry_push
from config.workbench.fakestripe.server import FakeStripe
from metering.models import Meter
from metering.services.event_voids import void_counted_event
from metering.services.partitions import ensure_partitions_around
from tests.billing.collection.stripe_world import make_buyer, now
from tests.billing.world import STAFF, make_plan, use
from tests.metering.ledger_world import ledger_of

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def tenant(fake_stripe: FakeStripe) -> Tenant:
    make_plan()
    tenant = make_buyer(backfill_days=400)
    ensure_partitions_around(as_of=now(), backfill_days=60)
    ensure_customer(tenant_id=tenant.pk, provider=PROVIDER)
    return tenant


def hour_before(hours: int) -> datetime:
    return now().replace(minute=0, second=0, microsecond=0) - HOUR * hours


def at_stripe(fake: FakeStripe, code: str, start: datetime, hours: int = 1) -> int:
    """Return what Stripe shows of the meter over these hours."""
    [meter] = fake.store.all("billing.meter", event_name=code)
    [customer] = fake.store.all("customer")
    client = stripe_api._client("sk_test_countinghouseFakeStripe000", fake.url, "2026-05-27.dahlia")
    start_time, end_time = int(start.timestamp()), int((start + HOUR * hours).timestamp())
    summaries = client.v1.billing.meters.event_summaries.list(
        meter["id"], {"customer": customer["id"], "start_time": start_time, "end_time": end_time}
    )
    return int(sum(summary.aggregated_value for summary in summaries.data))


def rows() -> list[tuple[str, int, int, str]]:
    pushes = UsagePush.objects.order_by("meter__code", "hour", "revision").select_related("meter")
    return [(push.meter.code, push.revision, int(push.quantity), push.status) for push in pushes]


def test_the_totals_of_hours_that_ended_are_pushed_once(fake_stripe: FakeStripe, tenant: Tenant) -> None:
    use(tenant, 10, at=hour_before(2), count=3)
    use(tenant, "0.4", at=hour_before(1), count=1)
    use(tenant, 1000, at=hour_before(0), count=1)  # the running hour waits

    assert push_usage(as_of=now()).delivered == 3
    assert push_usage(as_of=now()).delivered == 0

    # 0.4 of a call is 0 in whole numbers, so there is nothing to send.
    assert rows() == [
        ("api_requests", 1, 3, "delivered"),
        ("api_requests", 1, 1, "delivered"),
        ("calls", 1, 30, "delivered"),
    ]
    assert at_stripe(fake_stripe, "calls", hour_before(2)) == 30
    push = UsagePush.objects.get(meter__code="calls")
    meter = Meter.objects.get(code="calls")
    assert push.identifier == f"{tenant.pk}:{meter.pk}:{int(hour_before(2).timestamp())}:1"


@pytest.mark.parametrize(("decimals", "arrives"), [(0, 10), (1, 96)])
def test_24_hours_of_0_4_arrive_as_their_sum(
    fake_stripe: FakeStripe, tenant: Tenant, settings: Settings, decimals: int, arrives: int
) -> None:
    settings.STRIPE_USAGE_DECIMALS = decimals
    day = now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=2)
    for hour in range(24):
        use(tenant, "0.4", at=day + HOUR * hour)

    push_usage(as_of=now())
    assert at_stripe(fake_stripe, "calls", day, hours=24) == arrives
    assert push_usage(as_of=now()).delivered == 0
    use(tenant, "0.3", at=day + HOUR * 3 + timedelta(minutes=5))  # late
    push_usage(as_of=now())
    assert at_stripe(fake_stripe, "calls", day, hours=24) == (10 if decimals == 0 else 99)
    [meter] = fake_stripe.store.all("billing.meter", event_name="calls")
    assert meter["display_name"].endswith(" in 0.1") == (decimals == 1)


def test_a_drift_between_the_ledger_and_stripes_summaries_is_a_finding(fake_stripe: FakeStripe, tenant: Tenant) -> None:
    use(tenant, 7, at=now() - timedelta(days=2))
    push_usage(as_of=now())
    assert reconcile_payments(as_of=now()).lines == []
    event = next(one for one in fake_stripe.store.all("billing.meter_event") if one["event_name"] == "calls")
    fake_stripe.store.update(event, payload={**event["payload"], "value": "9"})

    assert len(reconcile_payments(as_of=now()).lines) == 1

    [row] = PaymentFinding.objects.all()
    assert (row.code, row.tenant, row.ours[:2], row.theirs[:2]) == ("usage", tenant, "7 ", "9 ")
    fake_stripe.store.update(event, payload={**event["payload"], "value": "7"})
    assert reconcile_payments(as_of=now()).closed == 1
    row.refresh_from_db()
    assert row.closed_because == "The last 7 days agree. Earlier days are not compared again."


def test_a_late_event_and_a_void_are_pushed_as_new_totals(fake_stripe: FakeStripe, tenant: Tenant) -> None:
    start = hour_before(5)
    [first] = use(tenant, 10, at=start)
    push_usage(as_of=now())
    use(tenant, 5, at=start + timedelta(minutes=30))
    push_usage(as_of=now())
    assert at_stripe(fake_stripe, "calls", start) == 15

    void_counted_event(ledger=ledger_of(tenant), event_id=first, reason="wrong", voided_by="staff", as_of=now())
    push_usage(as_of=now())

    assert at_stripe(fake_stripe, "calls", start) == 5
    assert [row for row in rows() if row[0] == "calls"] == [
        ("calls", 1, 10, "delivered"), ("calls", 2, 15, "delivered"), ("calls", 3, 5, "delivered"),
    ]  # fmt: skip


def test_a_push_whose_response_was_lost_is_found_to_have_arrived(fake_stripe: FakeStripe, tenant: Tenant) -> None:
    use(tenant, 7, at=hour_before(3))
    fake_stripe.control.fail(
        "/v1/billing/meter_events", status=500, times=3, is_after=True
    )  # the library tries three times

    assert push_usage(as_of=now()).away
    assert sorted(row[3] for row in rows()) == ["delivered", "pending"]
    done = push_usage(as_of=now())

    assert (done.duplicates, done.delivered) == (1, 0)
    assert {row[3] for row in rows()} == {"delivered", "duplicate"}
    assert at_stripe(fake_stripe, "calls", hour_before(3)) == 7


def test_a_push_that_died_before_the_network_is_sent_by_the_next(fake_stripe: FakeStripe, tenant: Tenant) -> None:
    use(tenant, 7, at=hour_before(3))
    assert plan_pushes(provider="stripe", age_max=StripeMeters.age_max, as_of=now()) == 2  # and then the worker died
    assert plan_pushes(provider="stripe", age_max=StripeMeters.age_max, as_of=now()) == 0

    assert push_usage(as_of=now()).delivered == 2


def test_a_rejected_push_is_kept_for_a_person_who_may_try_again(fake_stripe: FakeStripe, tenant: Tenant) -> None:
    use(tenant, 7, at=hour_before(3))
    fake_stripe.control.fail("/v1/billing/meter_events", status=400, times=1, message="No.")

    done = push_usage(as_of=now())

    assert len(done.rejected) == 1
    assert done.report().needs_attention
    [rejected] = UsagePush.objects.filter(status="rejected")
    assert rejected.error == "No."
    assert push_usage(as_of=now()).delivered == 0

    retry_push(push_id=rejected.pk, actor=STAFF, as_of=now())
    assert push_usage(as_of=now()).delivered == 1
    with pytest.raises(ConflictError):
        retry_push(push_id=rejected.pk, actor=STAFF, as_of=now())
    with pytest.raises(NotFoundError):
        retry_push(push_id=0, actor=STAFF, as_of=now())


def test_usage_that_is_too_old_or_has_no_customer_at_stripe_is_not_pushed(
    fake_stripe: FakeStripe, tenant: Tenant
) -> None:
    use(tenant, 7, at=now() - timedelta(days=36))
    use(make_buyer("without", backfill_days=400), 9, at=hour_before(3))

    assert push_usage(as_of=now()).delivered == 0
    assert rows() == []


@pytest.mark.django_db(transaction=True)
def test_pushes_at_once_count_once(fake_stripe: FakeStripe, tenant: Tenant) -> None:
    use(tenant, 7, at=hour_before(3))

    def push(_: int) -> int:
        try:
            done = push_usage(as_of=now())
            return done.delivered + done.duplicates
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(push, range(4))) == 2

    assert at_stripe(fake_stripe, "calls", hour_before(3)) == 7
    assert datetime.now(UTC) > hour_before(3)


def test_an_absent_stripe_is_not_called_for_each_push(fake_stripe: FakeStripe, tenant: Tenant) -> None:
    for hours in range(1, 6):
        use(tenant, 7, at=hour_before(hours))
    fake_stripe.control.fail("/v1/billing/meters", status=500, times=3)
    assert push_usage(as_of=now()).away

    fake_stripe.control.fail("/v1/billing/meter_events", status=500, times=1000)
    fake_stripe.api.requests.clear()
    assert push_usage(as_of=now()).report().needs_attention
    asked = [request for request in fake_stripe.api.requests if request["path"] == "/v1/billing/meter_events"]
    assert len(asked) == 9
    assert {row[3] for row in rows()} == {"pending"}


def test_without_a_key_nothing_is_pushed(settings: Settings, tenant: Tenant) -> None:
    use(tenant, 7, at=hour_before(1))
    settings.STRIPE_SECRET_KEY = ""
    assert push_usage(as_of=now()).away == ""
    assert rows() == []


def test_of_two_workers_that_pushed_the_same_the_first_outcome_is_kept(fake_stripe: FakeStripe, tenant: Tenant) -> None:
    use(tenant, 7, at=hour_before(1))
    plan_pushes(provider="stripe", age_max=StripeMeters.age_max, as_of=now())
    [(push, customer_id), *_] = pending_pushes(provider="stripe", limit=1)
    fake_stripe.control.fail("/v1/billing/meter_events", status=400, times=2, message="No.")
    done = Pushed()
    for _ in range(2):
        stripe_push._send(StripeMeters(), push, customer_id, done, now())

    assert len(done.rejected) == 1
    assert UsagePush.objects.get(pk=push.pk).attempts == 2
