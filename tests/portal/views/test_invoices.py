"""Invoices as a tenant sees them: the list, every step that led to a total, the events behind a line, and paying."""

import hashlib
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.test import Client
from pytest_django import Settings

from accounts.domain.roles import Role
from accounts.models import StoredFile
from billing.domain.prices import Flat, Graduated, Package, Tier
from billing.models import CreditTarget, DocumentFile, Invoice, Issuer, Subscription
from billing.services.invoicing.crediting import credit_in_part
from billing.services.invoicing.payments import record_failed_payment, record_payment
from billing.services.invoicing.reissuing import reissue_invoice
from billing.services.invoicing.staff_actions import issue_credit_note, mark_uncollectible, void_invoice
from billing.services.subscriptions.changes import When, change_plan
from billing.services.subscriptions.subscribing import subscribe
from config.workbench.fakestripe.server import FakeStripe
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


@pytest.fixture
def subscription(cast: Cast) -> Subscription:
    """Subscribe Acme to Pro since January: 49 a month, and 0.001 a call."""
    return subscribe(tenant=cast.acme, plan_version=make_plan(), actor=STAFF, as_of=JANUARY)


@pytest.fixture
def invoice(subscription: Subscription) -> Invoice:
    """Issue the invoice of 1 March: February's usage of 1,234 calls, with the fee of March."""
    use(subscription.tenant, at=JANUARY + timedelta(days=40), count=1234)
    for moment in (JANUARY, FEBRUARY + GRACE, MARCH + GRACE):
        invoice = close_month(subscription, as_of=moment)
    return invoice


def page_of(client: Client, invoice: Invoice) -> str:
    return shown(client.get(f"/t/acme/invoices/{invoice.number}/"))


def test_the_list_shows_issued_invoices_and_the_next_one(cast: Cast, alice: Client, invoice: Invoice) -> None:
    page = shown(alice.get("/t/acme/invoices/"))

    assert "Next invoice Projected 1\N{EN DASH}31 March 2026 1 Apr 2026 49.00 EUR" in page
    assert f"{invoice.number} 1 Mar 2026 1\N{EN DASH}28 February 2026 Open 15 Mar 2026 50.23 EUR" in page
    assert page.index("INV-2026-000002") < page.index("INV-2026-000001") < page.index("INV-2025-000001")


def test_a_draft_is_shown_as_being_prepared(cast: Cast, alice: Client, subscription: Subscription) -> None:
    close_month(subscription, as_of=FEBRUARY)

    page = shown(alice.get("/t/acme/invoices/"))

    assert "Being prepared Draft 1\N{EN DASH}31 January 2026 From 1 Feb 2026, 01:00 on 49.00 EUR" in page
    assert Invoice.objects.filter(number=None).count() == 1


def test_without_an_invoice_the_list_shows_when_the_first_one_comes(cast: Cast, alice: Client) -> None:
    assert "Choose a plan to get invoices." in shown(alice.get("/t/acme/invoices/"))
    subscribe(tenant=cast.acme, plan_version=make_plan(trial_days=14), actor=STAFF, as_of=NOW)
    assert "The first one is issued on 24 March 2026." in shown(alice.get("/t/acme/invoices/"))


def test_the_list_is_paged_in_a_fixed_number_of_queries(
    cast: Cast, alice: Client, invoice: Invoice, query_count: Callable[[Client, str], int]
) -> None:
    for_three = query_count(alice, "/t/acme/invoices/")
    copies = [
        Invoice(
            id=f"00000000-0000-7000-8000-{number:012}",
            tenant=cast.acme,
            subscription=invoice.subscription,
            boundary=100 + number,
            status="paid",
            number=f"OLD-{number:03}",
            currency="EUR",
            period_start=JANUARY,
            period_end=FEBRUARY,
            drafted_at=JANUARY,
            computed_at=JANUARY,
            finalize_after=JANUARY,
            finalized_at=JANUARY - timedelta(days=number),
            issued_on=date(2025, 1, 1),
            due_on=date(2025, 1, 15),
            paid_at=JANUARY,
        )
        for number in range(30)
    ]
    Invoice.objects.bulk_create(copies)

    assert query_count(alice, "/t/acme/invoices/") == for_three
    assert "1\N{EN DASH}25 of 33 invoices" in shown(alice.get("/t/acme/invoices/"))
    second = shown(alice.get("/t/acme/invoices/?page=2"))
    assert "26\N{EN DASH}33 of 33 invoices" in second
    assert "Upcoming" not in second


def test_an_invoice_shows_how_its_total_was_computed(cast: Cast, alice: Client, invoice: Invoice) -> None:
    page = page_of(alice, invoice)

    assert "50.23 EUR Open Due on 15 March 2026" in page
    assert (
        "Pro: calls 1\N{EN DASH}28 February 2026 1,234 calls 1.23 EUR Units 1,234 \N{MULTIPLICATION SIGN} 0.001 EUR "
        "1.234 EUR" in page
    )
    assert "Rounded half up from 1.234 EUR \N{MINUS SIGN}0.004 EUR 1,234 events" in page
    assert "Pro: monthly fee 1\N{EN DASH}31 March 2026 \N{EN DASH} 49.00 EUR" in page
    untaxed = "Not subject to tax in the country of the seller."
    assert f"Subtotal 50.23 EUR Tax 0 % 0.00 EUR {untaxed} Total 50.23 EUR" in page


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


def test_the_payments_and_the_outcome_of_an_invoice_are_shown(cast: Cast, alice: Client, invoice: Invoice) -> None:
    told = {"invoice_id": invoice.pk, "provider": "stripe", "amount_minor": 5023, "currency": "EUR", "as_of": NOW}
    record_failed_payment(**told, reference="pi_1", error="Your card was declined.", occurred_at=NOW)  # type: ignore[arg-type]

    page = page_of(alice, invoice)
    assert "Payment failed" in page
    assert "The payment failed on 10 March 2026, 13:30: Your card was declined." in page
    assert "Failed Your card was declined. Stripe pi_1 50.23 EUR" in page

    record_payment(**told, reference="pi_2", occurred_at=NOW)  # type: ignore[arg-type]
    page = page_of(alice, invoice)
    assert "Paid on 10 March 2026" in page
    assert "Succeeded Stripe pi_2 50.23 EUR" in page

    note = issue_credit_note(invoice_id=invoice.pk, reason="An outage", actor=STAFF, as_of=NOW)
    assert (
        f"Credit note {note.number} of 10 March 2026 credits this invoice in full, 50.23 EUR. Reason: An outage"
        in page_of(alice, invoice)
    )


def test_a_void_invoice_shows_that_it_is_not_owed(cast: Cast, alice: Client, invoice: Invoice) -> None:
    void_invoice(invoice_id=invoice.pk, reason="To the wrong address", actor=STAFF, as_of=NOW)

    page = page_of(alice, invoice)

    assert "Void since 10 March 2026. No payment is due. Reason: To the wrong address" in page
    assert "There is nothing to pay." in shown(alice.get(f"/t/acme/invoices/{invoice.number}/pay/"))


@pytest.mark.usefixtures("payment_days")
def test_an_overdue_invoice_is_shown_on_every_page_with_a_link_to_pay(
    cast: Cast, alice: Client, invoice: Invoice
) -> None:
    for other in Invoice.objects.exclude(pk=invoice.pk):
        void_invoice(invoice_id=other.pk, reason="A mistake", actor=STAFF, as_of=MARCH + timedelta(days=2))
    with time_machine.travel(NOW - timedelta(days=1), tick=False):
        assert "overdue" not in shown(alice.get("/t/acme/keys/"))

    alice = signed_in(cast.alice)  # the session of the day before has been idle for too long
    assert f"{invoice.number} is overdue. 50.23 EUR, was due on 9 March 2026. See and pay" in shown(
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


def test_the_notice_of_overdue_invoices_takes_two_queries_on_any_page(
    cast: Cast, alice: Client, query_count: Callable[[Client, str], int]
) -> None:
    set_issuer(payment_days=1)
    without = query_count(alice, "/t/acme/team/")
    subscription = subscribe(tenant=cast.acme, plan_version=make_plan(), actor=STAFF, as_of=JANUARY)
    close_month(subscription, as_of=MARCH + GRACE)

    assert b"invoices are overdue" in alice.get("/t/acme/team/").content
    assert query_count(alice, "/t/acme/team/") == without


def test_the_pdf_is_the_stored_one(cast: Cast, alice: Client, invoice: Invoice) -> None:
    address = f"/t/acme/invoices/{invoice.number}"
    assert alice.get(f"{address}/pdf/").status_code == 404, "it is not rendered yet"
    assert "PDF" not in page_of(alice, invoice)
    keep_pdf(invoice.number, b"%PDF of the invoice")

    answer = alice.get(f"{address}/pdf/")

    assert (answer.content, answer["Content-Type"]) == (b"%PDF of the invoice", "application/pdf")
    assert answer["Content-Disposition"] == f'attachment; filename="{invoice.number}.pdf"'
    assert f"{address}/pdf/" in alice.get(f"{address}/").content.decode()
    assert alice.get(f"{address}/credit-note/").status_code == 404
    note = issue_credit_note(invoice_id=invoice.pk, reason="A mistake", actor=STAFF, as_of=NOW)
    keep_pdf(note.number, b"%PDF of the note")
    assert alice.get(f"{address}/credit-note/").content == b"%PDF of the note"


def test_an_invoice_and_the_one_that_was_issued_in_its_place_lead_to_each_other(
    alice: Client, invoice: Invoice
) -> None:
    again = reissue_invoice(invoice_id=invoice.pk, reason="The address was wrong.", actor=STAFF, as_of=NOW)
    assert f"replaced by {again.number}" in page_of(alice, invoice)
    assert f"replaces {invoice.number}" in page_of(alice, again)


def test_a_credit_note_over_a_part_is_shown_with_its_pdf(alice: Client, invoice: Invoice) -> None:
    note = credit_in_part(
        invoice_id=invoice.pk, goes_to=CreditTarget.REFUND, amounts={1: 100}, reason="An outage", actor=STAFF, as_of=NOW
    )
    address = f"/t/acme/invoices/{invoice.number}/credit-notes/{note.number}/"
    assert alice.get(address).status_code == 404, "it is not rendered yet"
    keep_pdf(note.number, b"%PDF of the note")
    text = page_of(alice, invoice)
    assert f"Credit note {note.number}" in text
    assert "Credited" in text.rpartition("Total")[2].partition("Due")[0], "between the two that differ by it"
    assert alice.get(address).content == b"%PDF of the note"
    assert alice.get(address.replace(note.number, "CN-2")).status_code == 404


def test_paying_leads_to_stripe_by_a_page_of_ours(
    fake_stripe: FakeStripe, cast: Cast, alice: Client, invoice: Invoice
) -> None:
    assert "Pay now" in page_of(alice, invoice)

    answer = alice.post(f"/t/acme/invoices/{invoice.number}/pay/")

    assert f"url={fake_stripe.url}/" in answer.content.decode()
    assert answer.status_code == 200
    again = alice.post(f"/t/acme/invoices/{invoice.number}/pay/")
    assert again.context["url"] == answer.context["url"], "one invoice there for one of ours"


def test_an_invoice_settled_meanwhile_is_not_paid_again(
    fake_stripe: FakeStripe, cast: Cast, alice: Client, invoice: Invoice
) -> None:
    void_invoice(invoice_id=invoice.pk, reason="A mistake", actor=STAFF, as_of=NOW)

    answer = alice.post(f"/t/acme/invoices/{invoice.number}/pay/", follow=True)

    assert "The invoice is void. There is nothing to pay." in shown(answer)


def test_paying_while_stripe_is_unavailable_shows_a_message(
    settings: Settings, cast: Cast, alice: Client, invoice: Invoice
) -> None:
    settings.STRIPE_SECRET_KEY = "sk_test_countinghouseFakeStripe000"
    settings.STRIPE_API_HOST = "http://127.0.0.1:1"

    answer = alice.post(f"/t/acme/invoices/{invoice.number}/pay/")

    assert answer.status_code == 503
    assert "The payment page could not be opened. Nothing was changed or charged" in shown(answer)


def test_without_online_payment_the_invoice_says_how_to_pay(cast: Cast, alice: Client, invoice: Invoice) -> None:
    assert "Pay now" not in page_of(alice, invoice)
    assert "by transfer as it says on the invoice" in page_of(alice, invoice)
    assert "Pay by transfer" in shown(alice.post(f"/t/acme/invoices/{invoice.number}/pay/"))


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


@pytest.mark.parametrize("position", [2, 3, 10**9])
def test_a_line_that_counts_nothing_has_no_events(position: int, cast: Cast, alice: Client, invoice: Invoice) -> None:
    assert alice.get(f"/t/acme/invoices/{invoice.number}/lines/{position}/events/").status_code == 404


def test_a_draft_and_an_unknown_number_are_not_found(cast: Cast, alice: Client, subscription: Subscription) -> None:
    close_month(subscription, as_of=FEBRUARY)

    for number in ("None", "INV-2026-999999", "-"):
        assert alice.get(f"/t/acme/invoices/{number}/").status_code == 404


def test_the_overview_shows_the_cost_and_the_projection_of_the_period(
    cast: Cast, alice: Client, invoice: Invoice
) -> None:
    use(cast.acme, at=NOW - timedelta(hours=1), count=1000)

    page = shown(alice.get("/t/acme/"))

    assert "This period so far 1.00 EUR Without tax and the next fee" in page
    assert "Projected invoice 52.24 EUR On 1 April 2026, with tax and the next fee" in page
    assert "What it costs" not in shown(signed_in(cast.vera).get("/t/acme/"))
    assert "What it costs" not in shown(alice.get("/t/acme/?month=2026-02"))


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


def test_the_next_invoice_is_shown_line_by_line(cast: Cast, alice: Client, invoice: Invoice) -> None:
    page = shown(alice.get("/t/acme/invoices/next/"))

    assert "Pro: calls 1\N{EN DASH}31 March 2026 0 calls 0.00 EUR" in page
    assert "Total 49.00 EUR" in page


def test_a_next_invoice_that_cannot_be_computed_is_explained(cast: Cast, alice: Client, invoice: Invoice) -> None:
    Subscription.objects.update(currency="CHF")

    assert "We need to check this invoice before we can show it." in shown(alice.get("/t/acme/invoices/next/"))
    assert alice.get("/t/acme/").status_code == alice.get("/t/acme/invoices/").status_code == 200


@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.VIEWER])
def test_members_who_do_not_manage_money_see_no_invoices(role: Role, cast: Cast, invoice: Invoice) -> None:
    member = signed_in(cast.of_role(role))

    assert member.get(f"/t/acme/invoices/{invoice.number}/").status_code == 403
    assert b"/t/acme/invoices/" not in member.get("/t/acme/").content


def keep_pdf(number: str, content: bytes) -> None:
    digest = hashlib.sha256(content).hexdigest()
    file = StoredFile.objects.create(sha256=digest, media_type="application/pdf", content=content, created_at=NOW)
    DocumentFile.objects.create(number=number, file=file, created_at=NOW)
