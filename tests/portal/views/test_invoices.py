"""Invoices as a tenant sees them: the list, every step that led to a total, the events behind a line, and paying."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.test import Client

from billing.domain.prices import Flat, Graduated, Package, Tier
from billing.models import Invoice, Issuer, Subscription
from billing.services.invoicing.staff_actions import mark_uncollectible, void_invoice
from billing.services.subscriptions.changes import When, change_plan
from billing.services.subscriptions.subscribing import subscribe
from metering.selectors.ledgers import ledgers
from tests.billing.world import GRACE, STAFF, close_month, make_plan, set_issuer, use
from tests.metering.ledger_world import make_meter
from tests.metering.retention_world import let_go
from tests.portal.conftest import NOW, Cast, signed_in
from tests.portal.views.test_pricing import shown

JANUARY = datetime(2025, 12, 31, 23, tzinfo=UTC)  # midnight in Paris, Acme's zone
FEBRUARY = datetime(2026, 1, 31, 23, tzinfo=UTC)
MARCH = datetime(2026, 2, 28, 23, tzinfo=UTC)


@pytest.fixture
def payment_days(db: None) -> None:
    """Set a due day 8 days after issue, so that an invoice of 1 March is overdue on the 10th."""
    set_issuer(payment_days=8)


def subscribe_acme(cast: Cast) -> Subscription:
    """Subscribe Acme to Pro since January: 49 a month, and 0.001 a call."""
    return subscribe(tenant=cast.acme, plan_version=make_plan(), actor=STAFF, as_of=JANUARY)


def issue_march(subscription: Subscription) -> Invoice:
    """Issue the invoice of 1 March: February's usage of 1,234 calls, with the fee of March."""
    use(subscription.tenant, at=JANUARY + timedelta(days=40), count=1234)
    for moment in (JANUARY, FEBRUARY + GRACE, MARCH + GRACE):
        invoice = close_month(subscription, as_of=moment)
    return invoice


@pytest.fixture
def subscription(cast: Cast) -> Subscription:
    return subscribe_acme(cast)


@pytest.fixture
def invoice(subscription: Subscription) -> Invoice:
    return issue_march(subscription)


def page_of(client: Client, invoice: Invoice) -> str:
    return shown(client.get(f"/t/acme/invoices/{invoice.number}/"))


def test_a_draft_is_shown_as_being_prepared(cast: Cast, alice: Client, subscription: Subscription) -> None:
    close_month(subscription, as_of=FEBRUARY)

    page = shown(alice.get("/t/acme/invoices/"))

    assert "Being prepared Draft 1\N{EN DASH}31 January 2026 From 1 Feb 2026, 01:00 on 49.00 EUR" in page
    assert Invoice.objects.filter(number=None).count() == 1


def test_without_an_invoice_the_list_shows_when_the_first_one_comes(cast: Cast, alice: Client) -> None:
    assert "Choose a plan to get invoices." in shown(alice.get("/t/acme/invoices/"))
    subscribe(tenant=cast.acme, plan_version=make_plan(trial_days=14), actor=STAFF, as_of=NOW)
    assert "The first one is issued on 24 March 2026." in shown(alice.get("/t/acme/invoices/"))


def test_steps_packages_and_flat_prices_are_explained(cast: Cast, alice: Client) -> None:
    make_meter("steps", "http_request", unit="calls")
    make_meter("packs", "http_request", unit="calls")
    make_meter("flat", "http_request", unit="calls")
    tiers = (
        Tier(Decimal(10), Decimal(0)),
        Tier(Decimal(20), Decimal("0.1"), Decimal(2)),
        Tier(None, Decimal(0), Decimal(3)),
    )
    usage = {"steps": Graduated(tiers), "packs": Package(Decimal(10), Decimal(4)), "flat": Flat(Decimal(7))}
    subscription = subscribe(tenant=cast.acme, plan_version=make_plan(usage=usage), actor=STAFF, as_of=FEBRUARY)
    use(cast.acme, at=FEBRUARY + timedelta(days=1), count=25)

    page = page_of(alice, close_month(subscription, as_of=MARCH + GRACE))

    assert (
        "Up to 10, included 10 0.00 EUR Above 10 up to 20 10 \N{MULTIPLICATION SIGN} 0.10 EUR 1.00 EUR"
        " Above 10 up to 20: once 2.00 EUR Above 20: once 3.00 EUR" in page
    )
    assert (
        "Pro: packs 1\N{EN DASH}28 February 2026 25 calls 12.00 EUR Packages of 10, begun 3 \N{MULTIPLICATION SIGN} "
        "4.00 EUR 12.00 EUR" in page
    )
    assert "Pro: flat 1\N{EN DASH}28 February 2026 25 calls 7.00 EUR 25 events" in page


def test_a_correction_says_what_it_corrects_and_leads_there(
    cast: Cast, alice: Client, subscription: Subscription
) -> None:
    use(cast.acme, at=JANUARY + timedelta(days=3), count=1000)
    first = close_month(subscription, as_of=FEBRUARY + GRACE)
    use(cast.acme, at=JANUARY + timedelta(days=4), count=500, as_of=FEBRUARY + timedelta(days=2))
    second = close_month(subscription, as_of=MARCH + GRACE)

    answer = alice.get(f"/t/acme/invoices/{second.number}/")

    assert f"Correction of {first.number}: calls 1\N{EN DASH}31 January 2026 500 calls 0.50 EUR" in shown(answer)
    assert (
        f"Units 1,500 \N{MULTIPLICATION SIGN} 0.001 EUR 1.50 EUR Invoiced before, by {first.number} 1,000 "
        f"\N{MINUS SIGN}1.00 EUR" in shown(answer)
    )
    assert f'href="/t/acme/invoices/{first.number}/">Corrects {first.number}</a>' in answer.content.decode()


def test_prorated_days_are_shown(cast: Cast, alice: Client, subscription: Subscription) -> None:
    close_month(subscription, as_of=FEBRUARY + GRACE)
    subscription.refresh_from_db()
    change_plan(
        subscription=subscription,
        plan_version=make_plan("big", fee="199", usage={}),
        when=When.NOW,
        actor=STAFF,
        as_of=FEBRUARY + timedelta(days=14),
    )

    page = page_of(alice, close_month(subscription, as_of=MARCH + GRACE))

    assert "Unused time on Pro (14 of 28 days)" in page
    assert "\N{MINUS SIGN}24.50 EUR 14 of 28 days of a fee of 49.00 EUR \N{MINUS SIGN}24.50 EUR" in page


def test_a_carried_credit_needs_no_steps(cast: Cast, alice: Client) -> None:
    subscription = subscribe(
        tenant=cast.acme, plan_version=make_plan("big", fee="199", usage={}), actor=STAFF, as_of=MARCH
    )
    close_month(subscription, as_of=MARCH + GRACE)
    make_plan("free", fee="0", usage={})
    Issuer.objects.filter(pk=1).update(lets_customers_shrink_now=True)

    page = shown(alice.get("/t/acme/plan/choose/?plan=free&when=now"))

    assert "Credit that goes to the next invoice 141.23 EUR Total 0.00 EUR" in page


@pytest.mark.usefixtures("payment_days")
def test_an_overdue_invoice_is_shown_on_every_page_with_a_link_to_pay(
    cast: Cast, alice: Client, invoice: Invoice
) -> None:
    for other in Invoice.objects.exclude(pk=invoice.pk):
        void_invoice(invoice_id=other.pk, reason="A mistake", actor=STAFF, as_of=MARCH + timedelta(days=2))
    with time_machine.travel(NOW - timedelta(days=1), tick=False):
        assert "overdue" not in shown(alice.get("/t/acme/keys/"))

    alice = signed_in(cast.alice)  # the session of the day before has been idle for too long
    assert f"{invoice.number} is overdue. 50.23 EUR, was due on 9 March 2026. Pay now See the invoice" in shown(
        alice.get("/t/acme/keys/")
    )
    assert "Overdue" in page_of(alice, invoice)
    assert f"{invoice.number} 1 Mar 2026 1\N{EN DASH}28 February 2026 Overdue" in shown(alice.get("/t/acme/invoices/"))
    viewer = shown(signed_in(cast.vera).get("/t/acme/keys/"))
    assert "A payment of Acme is overdue. An owner or an admin can pay it." in viewer
    assert "50.23" not in viewer


@pytest.mark.usefixtures("payment_days")
def test_several_overdue_invoices_are_counted_and_uncollectible_ones_are_not(
    cast: Cast, alice: Client, invoice: Invoice
) -> None:
    assert "3 invoices are overdue, the first since 8 January 2026." in shown(alice.get("/t/acme/"))

    for each in Invoice.objects.all():
        mark_uncollectible(invoice_id=each.pk, reason="Bankrupt", actor=STAFF, as_of=NOW)

    assert "invoices are overdue" not in shown(alice.get("/t/acme/"))
    assert "Uncollectible" in page_of(alice, invoice)


def test_the_notice_of_overdue_invoices_takes_one_more_query_for_what_follows(
    cast: Cast, alice: Client, query_count: Callable[[Client, str], int]
) -> None:
    set_issuer(payment_days=1)
    without = query_count(alice, "/t/acme/team/")
    subscription = subscribe(tenant=cast.acme, plan_version=make_plan(), actor=STAFF, as_of=JANUARY)
    close_month(subscription, as_of=MARCH + GRACE)

    assert b"invoices are overdue" in alice.get("/t/acme/team/").content
    assert query_count(alice, "/t/acme/team/") == without + 1


def test_the_events_behind_a_line_are_those_it_was_computed_from(
    cast: Cast, alice: Client, subscription: Subscription
) -> None:
    use(cast.acme, at=JANUARY + timedelta(days=3), count=60)
    invoice = close_month(subscription, as_of=FEBRUARY + GRACE)
    late = use(cast.acme, at=JANUARY + timedelta(days=4), count=1, as_of=NOW)
    other = use(cast.acme, at=FEBRUARY + timedelta(days=3), count=1)
    address = f"/t/acme/invoices/{invoice.number}/lines/1/events/"

    first = alice.get(address)
    second = alice.get(f"{address}?cursor={first.context['next_cursor']}")

    assert "The 60 events of 1\N{EN DASH}31 January 2026, with a total of 60 calls" in shown(first)
    assert [len(page.context["rows"]) for page in (first, second)] == [50, 10]
    seen = {row.id for page in (first, second) for row, _ in page.context["rows"]}
    assert len(seen) == 60
    assert not seen & {*late, *other}
    assert second.context["next_cursor"] is None
    assert alice.get(f"{address}?cursor=nonsense").status_code == 404
    let_go(list(ledgers(tenant_ids=[cast.acme.pk])), month=date(2026, 1, 1))
    assert "The raw events before 1 February 2026 were deleted on 4 August 2026" in shown(alice.get(address))


def test_a_draft_and_an_unknown_number_are_not_found(cast: Cast, alice: Client, subscription: Subscription) -> None:
    close_month(subscription, as_of=FEBRUARY)

    for number in ("None", "INV-2026-999999", "-"):
        assert alice.get(f"/t/acme/invoices/{number}/").status_code == 404


@pytest.mark.takes_long("it closes two dozen months")
def test_invoice_pages_take_no_more_queries_after_many_periods(
    cast: Cast, alice: Client, subscription: Subscription, query_count: Callable[[Client, str], int]
) -> None:
    def counts(invoice: Invoice) -> dict[str, int]:
        pages = ("plan/", "invoices/", "invoices/next/", f"invoices/{invoice.number}/")
        return {page[:14]: query_count(alice, f"/t/acme/{page}") for page in pages}

    close_month(subscription, as_of=JANUARY)
    use(cast.acme, at=JANUARY + timedelta(days=3), count=3)
    short = counts(close_month(subscription, as_of=FEBRUARY + GRACE))
    use(cast.acme, at=FEBRUARY + timedelta(days=3), count=30)

    assert counts(close_month(subscription, as_of=MARCH + GRACE)) == short
    assert query_count(alice, "/t/acme/") <= 36  # limits that it remembers for a second may be read again
