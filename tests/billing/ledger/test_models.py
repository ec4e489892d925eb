"""The books stay balanced and unchanged, also against the tables' owner and writers that go past the services."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction

from accounts.models import Tenant
from billing.ledger.models import ClosedMonth, JournalEntry, Posting
from billing.ledger.services.posting import post
from tests.billing.ledger.happenings import NOON, happening
from tests.metering.ledger_world import make_tenant

TABLES = {"ledger_journalentry": "document", "ledger_posting": "amount_minor", "ledger_closedmonth": "entries"}
GOOD: dict[str, dict[str, Any]] = {
    "receivable": {"account": "receivable", "document": "INV-1"},
    "write_off": {"account": "write_off", "document": "INV-1"},
    "revenue": {"account": "revenue", "meter": "calls", "service_month": date(2026, 3, 1)},
    "tax": {"account": "tax", "tax_percent": 19, "base_minor": 100, "tax_name": "VAT", "jurisdiction": "DE"},
    "clearing": {"account": "clearing", "provider": "stripe"},
    "credit": {"account": "credit"},
}


@pytest.fixture
def tenant(db: None) -> Tenant:
    return make_tenant("acme")


@pytest.fixture
def entry(tenant: Tenant) -> JournalEntry:
    return JournalEntry.objects.create(
        id=uuid4(), tenant=tenant, currency="EUR", kind="payment", source="p", document="p", occurred_at=NOON,
        posted_on=NOON.date(),
    )  # fmt: skip


def posting(entry: JournalEntry, amount_minor: int = 100, **fields: Any) -> Posting:
    own = {"entry": entry, "tenant_id": entry.tenant_id, "currency": entry.currency, "posted_on": entry.posted_on}
    return Posting(**(own | {"amount_minor": amount_minor} | fields))


def month(**fields: Any) -> ClosedMonth:
    own = {"month": date(2026, 2, 1), "sums": [], "digest": "0" * 64, "entries": 0, "closed_at": NOON}
    return ClosedMonth.objects.create(**(own | {"closed_by": "staff"} | fields))


@contextmanager
def refused(match: str) -> Iterator[None]:
    with pytest.raises(IntegrityError, match=match), transaction.atomic():
        yield


@pytest.mark.parametrize("account", GOOD)
def test_balanced_postings_with_their_subjects_are_accepted(entry: JournalEntry, account: str) -> None:
    Posting.objects.bulk_create([posting(entry, **GOOD[account]), posting(entry, -100, **GOOD["receivable"])])


@pytest.mark.parametrize(
    ("name", "account", "wrong"),
    [
        ("posting_account_known", "credit", {"account": "cash"}),
        ("posting_says_something", "credit", {"amount_minor": 0}),
        ("posting_names_document", "receivable", {"document": ""}),
        ("posting_names_document", "write_off", {"document": ""}),
        ("posting_names_document", "credit", {"document": "INV-1"}),
        ("posting_names_document", "credit", {"due_on": date(2026, 3, 1)}),
        ("posting_names_month", "revenue", {"meter": ""}),
        ("posting_names_month", "revenue", {"service_month": None}),
        ("posting_names_month", "credit", {"meter": "calls"}),
        ("posting_month_begins", "revenue", {"service_month": date(2026, 3, 2)}),
        ("posting_names_tax", "tax", {"base_minor": None}),
        ("posting_names_tax", "tax", {"tax_percent": None}),
        ("posting_names_tax", "credit", {"jurisdiction": "DE"}),
        ("posting_names_provider", "clearing", {"provider": ""}),
        ("posting_names_provider", "credit", {"provider": "stripe"}),
    ],
)
def test_a_posting_names_its_subject(entry: JournalEntry, name: str, account: str, wrong: dict[str, Any]) -> None:
    with refused(name):
        Posting.objects.bulk_create([posting(entry, **(GOOD[account] | wrong)), posting(entry, -100, **GOOD["credit"])])


def test_an_entry_is_of_a_known_kind_and_once(entry: JournalEntry) -> None:
    again = {"tenant_id": entry.tenant_id, "currency": "EUR", "document": "p", "occurred_at": NOON}
    with refused("journal_entry_once"):
        JournalEntry.objects.create(id=uuid4(), kind="payment", source="p", posted_on=NOON.date(), **again)
    with refused("journal_entry_kind_known"):
        JournalEntry.objects.create(id=uuid4(), kind="gift", source="p", posted_on=NOON.date(), **again)


def test_postings_of_an_entry_sum_to_zero(entry: JournalEntry) -> None:
    with refused("do not sum to 0"):
        Posting.objects.bulk_create([posting(entry, 100, account="credit"), posting(entry, -99, account="unallocated")])
    with refused("do not sum to 0"):
        posting(entry, account="credit").save()


def test_an_entry_gets_no_more_postings_later(entry: JournalEntry) -> None:
    both = [{"amount_minor": 100, "account": "credit"}, {"amount_minor": -100, "account": "unallocated"}]
    Posting.objects.bulk_create([posting(entry, **one) for one in both])
    with refused("come late"):
        Posting.objects.bulk_create([posting(entry, **one) for one in both])


@pytest.mark.parametrize("wrong", [{"currency": "USD"}, {"posted_on": date(2026, 4, 1)}, {"entry_id": uuid4()}])
@pytest.mark.parametrize("number", [1, 2])
def test_postings_are_of_their_entry(entry: JournalEntry, wrong: dict[str, Any], number: int) -> None:
    rows = [posting(entry, 100, account="credit"), posting(entry, -100, account="unallocated")]
    for row in rows[:number]:
        for name, value in wrong.items():
            setattr(row, name, value)
    with refused("not its own"):
        Posting.objects.bulk_create(rows)


def test_postings_are_of_their_entrys_tenant(entry: JournalEntry) -> None:
    rows = [posting(entry, 100, account="credit"), posting(entry, -100, account="unallocated")]
    rows[1].tenant_id = make_tenant("globex").pk
    with refused("not its own"):
        Posting.objects.bulk_create(rows)


def test_a_closed_month_accepts_no_more_entries(tenant: Tenant) -> None:
    month(month=date(2026, 3, 1))
    facts = {"tenant": tenant, "currency": "EUR", "kind": "payment", "document": "p", "occurred_at": NOON}
    for day in (date(2026, 3, 31), date(2026, 2, 1)):
        with refused("the books are closed before 2026-04-01"):
            JournalEntry.objects.create(id=uuid4(), source="p", posted_on=day, **facts)
    JournalEntry.objects.create(id=uuid4(), source="p", posted_on=date(2026, 4, 1), **facts)


def test_a_closed_month_is_a_whole_month_and_names_who_closed_it(tenant: Tenant) -> None:
    with refused("closed_month_begins"):
        month(month=date(2026, 2, 2))
    with refused("closed_month_names_person"):
        month(closed_by="")
    assert str(month()) == "2026-02"


def test_the_application_may_not_change_the_books(tenant: Tenant) -> None:
    post([happening(tenant)])
    month()
    for table, column in TABLES.items():
        for statement in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}", f"TRUNCATE {table}"):
            with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
                connection.cursor().execute(statement)


@pytest.mark.as_owner
def test_the_owner_of_the_tables_may_not_change_the_books(tenant: Tenant) -> None:
    post([happening(tenant)])
    month()
    for table, column in TABLES.items():
        for statement in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}"):
            with pytest.raises(IntegrityError), transaction.atomic():
                connection.cursor().execute(statement)
