"""The outlook of an invoice: what it is now, what is expected of it, and between what it will probably come to."""

from datetime import timedelta
from decimal import Decimal

from billing.domain.prices import PerUnit
from billing.selectors.invoicing.preview import next_invoice_outlook, preview_next_invoice
from tests.billing.world import CALLS, MARCH, first_invoice, make_plan, subscribe_tenant, use
from tests.metering.ledger_world import make_meter

DAY = timedelta(days=1)
NOON = MARCH + 10 * DAY + timedelta(hours=12)


def test_steady_usage_is_expected_to_go_on_within_an_interval(db: None) -> None:
    subscription = subscribe_tenant()
    first_invoice(subscription)
    for day in range(-50, 11):
        use(subscription.tenant, 1000 + 10 * (day % 7), at=MARCH + day * DAY + timedelta(hours=9), as_of=NOON)

    outlook = next_invoice_outlook(subscription=subscription, as_of=NOON)

    assert outlook.now == preview_next_invoice(subscription=subscription)
    assert outlook.low is not None
    assert outlook.high is not None
    assert outlook.now.total_minor < outlook.low.total_minor <= outlook.expected.total_minor <= outlook.high.total_minor
    assert abs(outlook.expected.lines[0].amount_minor - 3193) < 40, "about 1,030 calls on each of 31 days"


def test_a_level_is_expected_to_last_and_without_a_past_there_is_no_interval(db: None) -> None:
    make_meter("storage", CALLS, aggregation="time_weighted", value_property="gb", unit="GB-hours")
    subscription = subscribe_tenant(plan=make_plan(usage={"storage": PerUnit(Decimal("0.01"))}))
    first_invoice(subscription)
    use(subscription.tenant, at=MARCH, as_of=NOON, properties={"gb": 2})

    outlook = next_invoice_outlook(subscription=subscription, as_of=NOON)

    assert outlook.expected.lines[0].quantity == 2 * 24 * 31
    assert (outlook.low, outlook.high) == (None, None)
    ended = next_invoice_outlook(subscription=subscription, as_of=MARCH + 31 * DAY)
    assert ended.expected == ended.now == ended.low
