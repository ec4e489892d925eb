"""Posting: every event once, whole or not at all, on the first open day."""

import threading
from datetime import date
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import Tenant
from accounts.sql import fetch_all
from billing.ledger.domain.accounts import EntryKind
from billing.ledger.models import ClosedMonth, JournalEntry, Posting
from billing.ledger.services import posting
from billing.ledger.services.posting import post
from tests.algorithm_pages import rows_below
from tests.billing.ledger.books import balances, posted
from tests.billing.ledger.domain.test_entries import EVENTS, rows_on_page
from tests.billing.ledger.happenings import NOON, happening
from tests.metering.ledger_world import make_tenant

APRIL_DAY = date(2026, 4, 20)


@pytest.fixture
def tenant(db: None) -> Tenant:
    return make_tenant("acme")


def close(month: date) -> None:
    ClosedMonth.objects.create(month=month, sums=[], digest="0" * 64, entries=0, closed_at=NOON, closed_by="staff")


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_is_posted_as_documented(tenant: Tenant, event: str) -> None:
    kind = EntryKind.RELEASE if event.startswith("released") else EntryKind.VOID
    is_later = event in {"voided in April", "credited, to be refunded"}
    post([happening(tenant, kind, on=APRIL_DAY if is_later else None, movements=EVENTS[event])])
    assert posted() == rows_on_page(event, with_deferred=True)


def test_the_same_event_posts_once_and_another_kind_of_it_is_another(tenant: Tenant) -> None:
    assert post([happening(tenant), happening(tenant, source="2")]) == 2
    assert post([happening(tenant), happening(tenant, source="3")]) == 1
    assert post([happening(tenant, EntryKind.REFUND)]) == 1
    assert JournalEntry.objects.count() == 4
    assert Posting.objects.count() == 8


def test_an_event_given_twice_in_one_call_is_posted_once(tenant: Tenant) -> None:
    assert post([happening(tenant), happening(tenant)]) == 1
    assert Posting.objects.count() == 2


def test_more_events_than_a_statement_holds_are_posted_in_several(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "ENTRIES_PER_STATEMENT", 2)
    assert post([happening(tenant, source=str(number)) for number in range(5)]) == 5
    assert balances() == {"clearing": 5 * 11900, "receivable": -5 * 11900}


def test_no_events_post_nothing(tenant: Tenant) -> None:
    assert post([]) == 0
    assert post([happening(tenant, movements=())]) == 1
    assert not Posting.objects.exists()


def test_an_entry_has_its_tenant_and_its_time(tenant: Tenant) -> None:
    post([happening(tenant)])
    entry = JournalEntry.objects.get()
    assert (entry.tenant_id, entry.currency, entry.document, entry.occurred_at) == (tenant.pk, "EUR", "pi_1", NOON)
    assert str(entry) == "payment pi_1"
    assert {str(one) for one in entry.postings.all()} == {"clearing 11900 EUR", "receivable -11900 EUR"}
    assert {(one.tenant_id, one.currency, one.posted_on) for one in entry.postings.all()} == {
        (tenant.pk, "EUR", NOON.date())
    }


@pytest.mark.parametrize(
    ("day", "closed", "posted_on"), rows_below("ledger", "day of the event", "closed up to", "posted on")
)
def test_an_event_of_a_closed_month_is_posted_in_the_open_one(
    tenant: Tenant, day: str, closed: str, posted_on: str
) -> None:
    if closed:
        close(date.fromisoformat(f"{closed}-01"))
    post([happening(tenant, on=date.fromisoformat(day))])
    assert str(JournalEntry.objects.get().posted_on) == posted_on


def test_an_entry_is_deferred_by_the_month_in_which_it_is_posted(tenant: Tenant) -> None:
    close(date(2026, 3, 1))
    post([happening(tenant, EntryKind.INVOICE, movements=EVENTS["finalized"])])
    assert "deferred" not in balances()


@pytest.mark.django_db(transaction=True)
def test_posting_outside_of_a_transaction_is_refused() -> None:
    with pytest.raises(AssertionError, match="committed together"):
        post([])


def at_once(works: list[Any]) -> list[BaseException]:
    """Run each in a transaction and a thread of its own, and commit when all have done their work."""
    raised: list[BaseException] = []
    begin, worked = threading.Barrier(len(works)), threading.Barrier(len(works))

    def run(work: Any) -> None:
        try:
            connection.ensure_connection()
            begin.wait(60)
            with transaction.atomic():
                work(worked)
        except IntegrityError as error:
            raised.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return raised


@pytest.mark.django_db(transaction=True)
def test_two_workers_that_post_one_document_at_once_post_it_once() -> None:
    event = happening(make_tenant("acme"))
    added: list[int] = []
    assert not at_once([lambda _: added.append(post([event]))] * 4)
    assert sorted(added) == [0, 0, 0, 1]
    assert balances() == {"clearing": 11900, "receivable": -11900}


@pytest.mark.as_owner
@pytest.mark.django_db(transaction=True)
def test_control_without_the_unique_key_a_document_is_posted_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    # A control: the same statement, with a lookup beforehand instead of the key, on tables without it.
    event = happening(make_tenant("acme"))
    unguarded = posting.POST.replace(
        "ON CONFLICT (kind, source) DO NOTHING",
        "WHERE NOT EXISTS (SELECT FROM scratch_entry AS s WHERE (s.kind, s.source) = (e.kind, e.source))",
    )
    unguarded = unguarded.replace("ledger_journalentry", "scratch_entry").replace("ledger_posting", "scratch_posting")
    monkeypatch.setattr(posting, "POST", unguarded)
    fetch_all("CREATE TABLE scratch_entry (LIKE ledger_journalentry)")
    fetch_all("CREATE TABLE scratch_posting (LIKE ledger_posting INCLUDING IDENTITY)")
    try:

        def work(worked: threading.Barrier) -> None:
            post([event])
            worked.wait(60)

        assert not at_once([work] * 2)
        [(entries,)] = fetch_all("SELECT count(*) FROM scratch_entry")
        [(balance,)] = fetch_all("SELECT sum(amount_minor)::int FROM scratch_posting WHERE account = 'clearing'")
    finally:
        fetch_all("DROP TABLE scratch_entry")
        fetch_all("DROP TABLE scratch_posting")
    assert (entries, balance) == (2, 2 * 11900)
