"""A year of one tenant by the real services, against `plain_year`, which was written from the rules alone.

Anchor 31 January of a leap year, a trial, changes of plan at once and at the period's end, days on which clocks change,
29 February, late events, voids, a worker that is away for weeks, less than nothing to pay, and a cancellation: equal to
the cent.
"""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from pytest_django import Settings

from billing.domain.plan_terms import PriceOffer, VersionOffer
from billing.domain.prices import Flat, Graduated, Package, PerUnit, PriceTerms, Tier, Volume
from billing.models import Invoice, Issuer, PlanVersion, Subscription, TaxRate
from billing.services.catalog.plans import create_plan, publish_version
from billing.services.invoicing.running import run_invoicing
from billing.services.subscriptions.changes import When, cancel_subscription, change_plan
from billing.services.subscriptions.subscribing import subscribe
from billing.verification.services.running import run_verification
from metering.domain.periods import Period
from metering.domain.usage_plan_terms import QuotaTerms, UsagePlanTerms
from metering.services.usage_plans import create_usage_plan
from metering.services.voids import void_event
from tests.billing.world import STAFF, know_exchange_rates
from tests.metering.ledger_world import LONG_AGO, ledger_of, make_meter, make_tenant, send
from tests.scenarios.plain_year import PlainEvent, PlainPlan, PlainYear, all_at, each, once, packs, steps

pytestmark = [pytest.mark.django_db, pytest.mark.as_owner]

TAX = "19"
BOUNDARIES = 13  # with a period; then comes the last look
DAYS_LATE = 35
PLANS: dict[str, tuple[PlainPlan, dict[str, PriceTerms]]] = {
    "starter": (
        PlainPlan(
            "starter",
            Fraction(29),
            {"calls": each("0.0475"),
             "bytes": steps((1000, "0", "0"), (20_000, "0.0003", "2.5"), (None, "0.00011", "0"))},
        ),
        {
            "calls": PerUnit(Decimal("0.0475")),
            "bytes": Graduated(
                (
                    Tier(Decimal(1000), Decimal(0)),
                    Tier(Decimal(20_000), Decimal("0.0003"), Decimal("2.5")),
                    Tier(None, Decimal("0.00011")),
                )
            ),
        },
    ),
    "growth": (
        PlainPlan(
            "growth",
            Fraction(99),
            {"calls": all_at((20, "0.07"), (35, "0.065"), (None, "0.05")), "tokens": packs(7, "0.35"),
             "bytes": once("4.444")},
        ),
        {
            "calls": Volume(
                (Tier(Decimal(20), Decimal("0.07")), Tier(Decimal(35), Decimal("0.065")), Tier(None, Decimal("0.05")))
            ),
            "tokens": Package(Decimal(7), Decimal("0.35")),
            "bytes": Flat(Decimal("4.444")),
        },
    ),
    "enterprise": (
        PlainPlan("enterprise", Fraction(999), {"tokens": each("0.123456789012")}),
        {"tokens": PerUnit(Decimal("0.123456789012"))},
    ),
}  # fmt: skip


class Year:
    """The same year twice: by the application, and recorded for the plain calculation."""

    def __init__(self, zone: str, currency: str, digits: int, seed: int) -> None:
        self.zone, self.random = ZoneInfo(zone), random.Random(seed)
        self.versions = {code: self.publish(code, currency) for code in PLANS}
        Issuer.objects.filter(pk=1).update(country="DE", time_zone=zone)
        TaxRate.objects.update_or_create(country="DE", defaults={"name": "VAT", "percent": Decimal(TAX)})
        know_exchange_rates(currency, first=date(2028, 1, 1), last=date(2029, 6, 1))
        self.tenant = make_tenant("acme", time_zone=zone, currency=currency, country="DE", backfill_days=DAYS_LATE)
        self.ledger = ledger_of(self.tenant)
        started_at = self.local(2028, 1, 21, 10, 17)
        self.subscription: Subscription = subscribe(
            tenant=self.tenant, plan_version=self.versions["starter"], actor=STAFF, as_of=started_at, trial_days=10
        )
        self.plain = PlainYear(zone, digits, date(2028, 1, 31), started_at, Fraction(TAX), days_late=DAYS_LATE)
        self.plain.phases.append((started_at, PLANS["starter"][0]))
        self.runs: list[datetime] = []

    def publish(self, code: str, currency: str) -> PlanVersion:
        plain, terms = PLANS[code]
        quota = QuotaTerms(meter_code="calls", period=Period.DAY, limit=Decimal(5), is_hard=code == "starter")
        create_usage_plan(code=code, terms=UsagePlanTerms(name=code, quotas=(quota,)), actor=STAFF, as_of=LONG_AGO)
        prices = [PriceOffer(currency, Flat(Decimal(int(plain.fee))))]
        prices += [PriceOffer(currency, price, meter) for meter, price in terms.items()]
        offer = VersionOffer(usage_plan_code=code, prices=tuple(prices))
        plan = create_plan(code=code, name=code.title(), actor=STAFF, as_of=LONG_AGO)
        return publish_version(plan=plan, offer=offer, actor=STAFF, as_of=LONG_AGO)

    def local(self, *moment: int) -> datetime:
        return datetime(*moment, tzinfo=self.zone).astimezone(UTC)  # type: ignore[misc] # year to second

    def live(self) -> None:
        """Run everything in the order of time. Equal moments keep their order."""
        for _, _, act in sorted(((at, n, act) for n, (at, act) in enumerate(self.script())), key=lambda one: one[:2]):
            act()

    def script(self) -> Iterator[tuple[datetime, Callable[[], None]]]:
        at = self.local
        yield from self.running()
        yield from self.usage()
        yield self.change(at(2028, 3, 12, 9, 41), "growth")  # New York's clocks go forward on this day
        yield self.change(at(2028, 3, 26, 3, 30), "starter")  # and Berlin's, half an hour before
        yield self.change_at_period_end(at(2028, 5, 3, 12), "enterprise", boundary=4)
        yield self.change(at(2028, 8, 3, 0, 0, 1), "growth")  # 996 of 999.00 come back: less than nothing to pay
        yield self.change(at(2028, 8, 20, 23, 59, 59), "starter")
        yield self.change(at(2028, 10, 29, 2, 30), "growth")  # Berlin's clocks go back: the first of two half past two
        yield self.change(at(2028, 12, 24, 20), "starter")
        yield self.cancel(at(2029, 1, 30, 17))

    def running(self) -> Iterator[tuple[datetime, Callable[[], None]]]:
        """Run shortly after each boundary and after its grace. Once the worker is away for seven weeks."""
        for number in range(BOUNDARIES + 1):
            boundary = self.plain.boundary(number)
            moments = [boundary + timedelta(days=20)] if number == 10 else []
            moments = moments or [boundary + timedelta(minutes=3), boundary + timedelta(minutes=66)]
            for moment in moments if number != 9 else []:
                yield moment, lambda moment=moment: self.run(moment)  # type: ignore[misc]
        for moment in (self.local(2029, 3, 6, 12), self.local(2029, 3, 8, 12), self.local(2029, 4, 8)):
            yield moment, lambda moment=moment: self.run(moment)  # type: ignore[misc]

    def run(self, moment: datetime) -> None:
        self.runs.append(moment)
        run_invoicing(as_of=moment)

    def usage(self) -> Iterator[tuple[datetime, Callable[[], None]]]:
        """Report usage every few days, some of it weeks old, and now and then void an old event."""
        day = self.local(2028, 1, 22, 4)
        while day < self.local(2029, 2, 20):
            occurred = [
                day - timedelta(seconds=self.random.randrange(4 * 86400)) for _ in range(self.random.randrange(7))
            ]
            occurred += [
                day - timedelta(seconds=self.random.randrange(33 * 86400)) for _ in range(self.random.randrange(3))
            ]
            yield day, lambda day=day, occurred=occurred: self.report(day, occurred)  # type: ignore[misc]
            yield day + timedelta(hours=2), lambda day=day: self.void_one(day + timedelta(hours=2))  # type: ignore[misc]
            day += timedelta(days=4, minutes=self.random.randrange(600))
        for number in range(BOUNDARIES):  # to the microsecond around each boundary, one of them within the grace
            boundary = self.plain.boundary(number)
            around = [boundary - timedelta(microseconds=1), boundary, boundary + timedelta(minutes=1)]
            sent_at = boundary + timedelta(minutes=30)
            yield sent_at, lambda sent_at=sent_at, around=around: self.report(sent_at, around)  # type: ignore[misc]
        odd = [self.local(2028, 2, 29, 12), self.local(2028, 3, 26, 1, 59, 59), self.local(2028, 10, 29, 2, 29, 59)]
        odd += [self.local(2028, 3, 12, 1, 59, 59), self.local(2028, 11, 5, 1, 29, 59), self.local(2028, 11, 5, 1, 30)]
        for moment in odd:
            sent_at = moment + timedelta(seconds=30)
            yield sent_at, lambda sent_at=sent_at, moment=moment: self.report(sent_at, [moment])  # type: ignore[misc]

    def report(self, received_at: datetime, occurred: list[datetime]) -> None:
        bodies = []
        for moment in occurred:
            id_, kind = f"event-{len(self.plain.events)}", self.random.choice(["http_request", "tokens"])
            quantity = Decimal(self.random.randrange(1, 40_000)) / 1000
            length = self.random.randrange(5000)
            calls = {"calls": Fraction(1), "bytes": Fraction(length)}
            adds = calls if kind == "http_request" else {"tokens": Fraction(quantity)}
            self.plain.events.append(PlainEvent(id_, kind, moment, received_at, adds))
            body = {"id": id_, "type": kind, "quantity": str(quantity), "timestamp": moment.isoformat()}
            bodies.append(body | {"properties": {"response_length": length}})
        if bodies:
            send(self.ledger, bodies, as_of=received_at)

    def void_one(self, moment: datetime) -> None:
        standing = [event for event in self.plain.events if event.voided_at is None]
        if standing and self.random.random() < 0.3:
            event = self.random.choice(standing[-80:])
            event.voided_at = moment
            void_event(ledger=self.ledger, event_id=event.id, reason="test", voided_by="test", as_of=moment)

    def change(self, moment: datetime, code: str) -> tuple[datetime, Callable[[], None]]:
        def act() -> None:
            version = self.versions[code]
            change_plan(subscription=self.subscription, plan_version=version, when=When.NOW, actor=STAFF, as_of=moment)
            self.plain.phases.append((moment, PLANS[code][0]))

        return moment, act

    def change_at_period_end(
        self, moment: datetime, code: str, *, boundary: int
    ) -> tuple[datetime, Callable[[], None]]:
        def act() -> None:
            change_plan(
                subscription=self.subscription,
                plan_version=self.versions[code],
                when=When.PERIOD_END,
                actor=STAFF,
                as_of=moment,
            )
            self.plain.phases.append((self.plain.boundary(boundary), PLANS[code][0]))

        return moment, act

    def cancel(self, moment: datetime) -> tuple[datetime, Callable[[], None]]:
        def act() -> None:
            cancel_subscription(subscription=self.subscription, when=When.PERIOD_END, actor=STAFF, as_of=moment)
            self.plain.ends_at_boundary = BOUNDARIES - 1

        return moment, act


@pytest.fixture
def meters() -> None:
    make_meter("calls", "http_request", aggregation="count")
    make_meter("bytes", "http_request", aggregation="sum", value_property="response_length")
    make_meter("tokens", "tokens", aggregation="sum")


@pytest.mark.parametrize(
    ("zone", "currency", "digits"),
    [
        ("America/New_York", "JPY", 0),
        pytest.param("Europe/Berlin", "EUR", 2, marks=pytest.mark.soak),
        pytest.param("Asia/Kolkata", "KWD", 3, marks=pytest.mark.soak),
    ],
)
@pytest.mark.takes_long("it lives through a year")
def test_a_year_costs_what_the_plain_calculation_says(
    meters: None, zone: str, currency: str, digits: int, settings: Settings
) -> None:
    settings.ABSURD_INVOICE_FLOOR = 10**12  # months of this year differ by more than a person would let pass
    year = Year(zone, currency, digits, seed=20_280_131)
    year.live()

    invoices = list(Invoice.objects.order_by("boundary"))
    lived = [(tuple(lines_of(invoice)), invoice.subtotal_minor, invoice.tax_minor) for invoice in invoices]
    expected = [(one.amounts, one.subtotal, one.tax) for one in year.plain.invoices(year.runs)]
    assert len(expected) == BOUNDARIES + 1
    assert len(lived[-1][0]) > 1, "what came late after the end is corrected"
    for number, (one, other) in enumerate(zip(lived, expected, strict=True)):
        assert one == other, f"boundary {number}"
    assert [invoice.period_end for invoice in invoices[1:]] == [
        year.plain.boundary(n) for n in range(1, BOUNDARIES + 1)
    ]
    seen = set(Invoice.objects.values_list("lines__kind", flat=True))
    assert seen == {"usage", "recurring", "proration", "adjustment", "carry"}

    assert run_verification(started_by="test", as_of=year.runs[-1]).differences == []
    with connection.cursor() as cursor:
        cursor.execute("UPDATE event SET quantity = quantity + 1 WHERE type = 'tokens' AND occurred_at < '2028-05-20'")
        assert cursor.rowcount > 0
    found = run_verification(started_by="test", as_of=year.runs[-1]).differences
    # If a currency has no digits, one more unit may cost nothing.
    assert {"usage"} <= {difference.code for difference in found} <= {"conservation", "usage"}


def lines_of(invoice: Invoice) -> list[int]:
    lines = invoice.lines.filter(revision=invoice.revision).order_by("position")
    return list(lines.values_list("amount_minor", flat=True))
