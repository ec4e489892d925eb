"""Documents post to the ledger of accounts in the transaction of the event, and are reversed with their credit."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from pytest_django.plugin import DjangoDbBlocker

from billing.desk.services.writing_off import write_off_invoice
from billing.domain.booking import LineToBook
from billing.ledger.domain.accounts import EntryKind, LedgerAccount
from billing.ledger.domain.entries import TaxSum
from billing.ledger.models import JournalEntry
from billing.models import CreditNote, Invoice, Payment, TaxRate
from billing.services.booking import (
    book_allocation,
    book_credit_note,
    book_credit_note_in_part,
    book_rounding,
    book_set_off,
    book_void,
)
from billing.services.invoicing.allocating import allocate_payment, keep_as_credit
from billing.services.invoicing.payments import record_payment, record_unassigned_payment
from billing.services.invoicing.refunding import record_refund
from billing.services.invoicing.staff_actions import issue_credit_note, mark_uncollectible, void_invoice
from billing.services.subscriptions.changes import When, change_plan
from tests.billing.ledger.books import balances, posted
from tests.billing.world import (
    MARCH,
    STAFF,
    close_month,
    first_invoice,
    make_plan,
    set_issuer,
    subscribe_tenant,
    use,
)
from tests.shared_world import shared_world

pytestmark = pytest.mark.django_db

LATER = MARCH + timedelta(days=10)
APRIL_10 = MARCH + timedelta(days=40)


@pytest.fixture(scope="module")
def first_fee(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Invoice]:
    yield from shared_world(django_db_blocker, make_first_fee)


@pytest.fixture
def invoice(first_fee: Invoice) -> Invoice:
    return Invoice.objects.select_related("subscription", "tenant").get(pk=first_fee.pk)


def make_first_fee() -> Invoice:
    """Issue an invoice over 49.00 and 19 % for the 31 days from 15 March, on that day."""
    set_issuer(country="DE")
    TaxRate.objects.create(country="DE", percent=19)
    return first_invoice(subscribe_tenant(country="DE", as_of=MARCH + timedelta(days=14)))


def pay(invoice: Invoice, amount_minor: int | None = None, **fields: Any) -> None:
    own = {"provider": "stripe", "reference": "pi_1", "currency": "EUR", "occurred_at": LATER, "as_of": LATER}
    amount = invoice.total_minor if amount_minor is None else amount_minor
    record_payment(invoice_id=invoice.pk, amount_minor=amount, **(own | fields))


def act(service: Any, invoice: Invoice, as_of: Any = LATER) -> Any:
    return service(invoice_id=invoice.pk, reason="wrong", actor=STAFF, as_of=as_of)


def test_an_invoice_posts_its_lines_by_month_of_service_and_its_tax(invoice: Invoice) -> None:
    assert posted() == [
        ("deferred", "(fee) 2026-04", -2213),  # 14 of 31 days
        ("receivable", invoice.number, 5831),
        ("revenue", "(fee) 2026-03", -2687),
        ("tax", "DE S VAT 19 of 4900", -931),
    ]
    entry = JournalEntry.objects.get()
    assert (entry.source, entry.document, entry.posted_on) == (str(invoice.pk), invoice.number, invoice.issued_on)


def test_usage_revenue_is_posted_by_its_meter(invoice: Invoice) -> None:
    subscription = invoice.subscription
    use(subscription.tenant, 12_000, at=MARCH + timedelta(days=20))
    second = close_month(subscription)
    rows = posted(EntryKind.INVOICE)
    assert ("revenue", "calls 2026-04", -1200) in rows
    assert ("receivable", second.number, second.total_minor) in rows


def test_a_month_that_begins_releases_what_was_deferred(invoice: Invoice) -> None:
    close_month(invoice.subscription)
    assert ("revenue", "(fee) 2026-04", -2213) in posted(EntryKind.RELEASE)


def test_a_payment_settles_what_is_owed(invoice: Invoice) -> None:
    pay(invoice)
    pay(invoice)  # reported twice
    assert posted(EntryKind.PAYMENT) == [("clearing", "stripe", 5831), ("receivable", invoice.number, -5831)]
    assert "receivable" not in balances()


def test_an_unmatched_payment_is_unallocated(invoice: Invoice) -> None:
    pay(invoice, 5831, currency="USD")
    assert posted(EntryKind.PAYMENT) == [("clearing", "stripe", 5831), ("unallocated", "", -5831)]
    assert JournalEntry.objects.get(kind=EntryKind.PAYMENT).currency == "USD"


def test_an_overpayment_is_unallocated_until_it_pays_another_invoice(invoice: Invoice) -> None:
    pay(invoice, 5831 + 5000)
    assert ("unallocated", "", -5000) in posted(EntryKind.PAYMENT)
    following = close_month(invoice.subscription)
    allocate_payment(
        payment_id=Payment.objects.get().pk, invoice_id=following.pk, amount_minor=4000, reason="theirs", actor=STAFF,
        as_of=APRIL_10,
    )  # fmt: skip
    assert posted(EntryKind.ALLOCATION) == [("receivable", following.number, -4000), ("unallocated", "", 4000)]
    assert balances()["receivable"] == following.total_minor - 4000


def test_kept_money_is_posted_with_the_invoice_that_takes_it(invoice: Invoice) -> None:
    pay(invoice, 5831 + 5000)
    keep_as_credit(payment_id=Payment.objects.get().pk, actor=STAFF, as_of=LATER)
    following = close_month(invoice.subscription)
    assert posted(EntryKind.ALLOCATION) == [("receivable", following.number, -5000), ("unallocated", "", 5000)]


def test_a_payment_that_names_no_invoice_is_unallocated(invoice: Invoice) -> None:
    record_unassigned_payment(
        tenant_id=invoice.tenant_id, reference="7", amount_minor=100, currency="EUR", occurred_at=LATER, actor=STAFF,
        as_of=LATER,
    )  # fmt: skip
    assert posted(EntryKind.PAYMENT) == [("clearing", "manual", 100), ("unallocated", "", -100)]


def test_a_void_invoice_leaves_zero_in_the_ledger(invoice: Invoice) -> None:
    act(void_invoice, invoice)
    assert balances() == {}


def test_a_void_after_the_release_is_taken_from_revenue(invoice: Invoice) -> None:
    close_month(invoice.subscription, as_of=APRIL_10)
    act(void_invoice, invoice, APRIL_10)
    assert ("revenue", "(fee) 2026-04", 2213) in posted(EntryKind.VOID)
    assert JournalEntry.objects.get(kind=EntryKind.VOID).posted_on == APRIL_10.date()
    assert balances() == {}


def test_a_credit_note_on_an_unpaid_invoice_leaves_zero_and_posts_once(invoice: Invoice) -> None:
    note = act(issue_credit_note, invoice)
    assert balances() == {}
    assert JournalEntry.objects.get(kind=EntryKind.CREDIT_NOTE).document == note.number
    assert not JournalEntry.objects.filter(kind=EntryKind.VOID).exists()


def test_the_payment_of_a_credited_invoice_is_unallocated(invoice: Invoice) -> None:
    pay(invoice)
    act(issue_credit_note, invoice)
    assert balances() == {"clearing": 5831, "unallocated": -5831}


def test_a_credit_note_over_a_part_takes_its_lines_and_their_tax_back(invoice: Invoice) -> None:
    note = CreditNote(id=invoice.pk, number="CN-1")
    lines = [LineToBook("recurring", "", LATER.date(), LATER.date(), 1000)]
    taxes = [TaxSum("DE", "S", "VAT", Decimal(19), 1000, 190)]
    settled = {LedgerAccount.RECEIVABLE: 1000, LedgerAccount.CREDIT: 190}
    with transaction.atomic():
        book_credit_note_in_part(note, invoice, lines=lines, taxes=taxes, settled=settled, as_of=LATER)
    assert posted(EntryKind.CREDIT_NOTE) == [
        ("credit", "", -190),
        ("receivable", invoice.number, -1000),
        ("revenue", "(fee) 2026-03", 1000),
        ("tax", "DE S VAT 19 of -1000", 190),
    ]


def give_up(invoice: Invoice) -> None:
    act(mark_uncollectible, invoice)
    act(write_off_invoice, invoice)


def test_money_and_credit_are_given_to_an_invoice_and_a_small_rest_is_let_be(invoice: Invoice) -> None:
    give_up(invoice)
    with transaction.atomic():
        book_allocation(invoice, source="1", amount_minor=5000, as_of=LATER)
        book_allocation(invoice, source="2", amount_minor=-100, as_of=LATER)
        book_set_off(invoice, source="1", amount_minor=930, as_of=LATER)
        book_rounding(invoice, source="1", amount_minor=1, as_of=LATER)
    found = balances()
    assert (found["unallocated"], found["credit"], found["rounding"]) == (4900, 930, 1)
    assert not {"receivable", "write_off"} & set(found), "as much was recovered as was given"


def test_a_refund_is_posted_against_the_customers_money(invoice: Invoice) -> None:
    pay(invoice)
    act(issue_credit_note, invoice)
    record_refund(
        payment_id=Payment.objects.get().pk, amount_minor=5831, way="provider", reference="re_1", reason="credited",
        occurred_at=LATER, actor=STAFF, as_of=LATER,
    )  # fmt: skip
    assert balances() == {}


def test_what_is_left_of_a_credit_note_may_stay_credit(invoice: Invoice) -> None:
    pay(invoice)
    note = CreditNote(id=invoice.pk, number="CN-1")
    with transaction.atomic():
        book_credit_note(note, invoice, as_of=LATER, rest_to=LedgerAccount.CREDIT)
    assert balances() == {"clearing": 5831, "credit": -5831}


def test_credit_that_an_invoice_leaves_or_uses_comes_back_when_it_is_void() -> None:
    subscription = subscribe_tenant("globex", plan=make_plan("team", fee="99"))
    first = first_invoice(subscription)
    pay(first)
    subscription.refresh_from_db()
    small = make_plan("small", fee="10")
    change_plan(subscription=subscription, plan_version=small, when=When.NOW, actor=STAFF, as_of=LATER)
    use(subscription.tenant, 1, at=LATER + timedelta(days=1))
    left = close_month(subscription)
    credit = -balances()["credit"]
    assert (left.total_minor, credit > 0) == (0, True)
    used = close_month(subscription)
    assert -balances().get("credit", 0) < credit
    if used.total_minor:
        act(void_invoice, used, used.finalized_at)
        assert -balances()["credit"] == credit


def test_a_write_off_is_a_loss_and_no_longer_owed(invoice: Invoice) -> None:
    give_up(invoice)
    assert posted(EntryKind.WRITE_OFF) == [
        ("receivable", invoice.number, -5831),
        ("write_off", invoice.number, 5831),
    ]


def test_a_credit_note_over_a_part_recovers_as_much_of_a_write_off(invoice: Invoice) -> None:
    give_up(invoice)
    taxes = [TaxSum("DE", "S", "VAT", Decimal(19), 1000, 190)]
    with transaction.atomic():
        book_credit_note_in_part(
            CreditNote(id=invoice.pk, number="CN-1"), invoice, taxes=taxes,
            lines=[LineToBook("recurring", "", LATER.date(), LATER.date(), 1000)],
            settled={LedgerAccount.RECEIVABLE: 1190}, as_of=LATER,
        )  # fmt: skip
    assert (balances()["write_off"], "receivable" in balances()) == (4641, False)


@pytest.mark.parametrize(
    ("what", "left"),
    [
        (pay, {"clearing": 5831, "deferred": -2213, "revenue": -2687, "tax": -931}),
        (lambda invoice: act(void_invoice, invoice), {}),
        (lambda invoice: act(issue_credit_note, invoice), {}),
    ],
)
def test_what_was_written_off_is_recovered_first(invoice: Invoice, what: Any, left: dict[str, int]) -> None:
    give_up(invoice)
    what(invoice)
    assert balances() == left
    assert posted(EntryKind.RECOVERY) == [
        ("receivable", invoice.number, 5831),
        ("write_off", invoice.number, -5831),
    ]


def test_a_transaction_that_fails_posts_nothing(invoice: Invoice) -> None:
    with transaction.atomic():
        pay(invoice)
        transaction.set_rollback(True)
    assert not JournalEntry.objects.filter(kind=EntryKind.PAYMENT).exists()


def test_a_repeated_event_posts_nothing_more(invoice: Invoice) -> None:
    act(void_invoice, invoice)
    with transaction.atomic():
        book_void(invoice, as_of=LATER)
    assert balances() == {}
