"""The pages of the books: each figure agrees with the ledger, as a page and as a file, for staff who may see it."""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.db.models import Sum
from django.test import Client
from django.urls import reverse
from pytest_django.plugin import DjangoDbBlocker

from billing.admin.reports import REPORTS
from billing.desk.services.writing_off import write_off_invoice
from billing.ledger.domain.days import AgeBracket
from billing.ledger.models import ClosedMonth, JournalEntry, Posting
from billing.models import Invoice, TaxRate
from billing.services.invoicing.payments import record_payment
from billing.services.invoicing.staff_actions import issue_credit_note, mark_uncollectible
from tests.billing.world import STAFF, close_month, first_invoice, make_plan, set_issuer, subscribe_tenant, use
from tests.shared_world import shared_world

pytestmark = pytest.mark.django_db

JANUARY = datetime(2025, 1, 15, tzinfo=UTC)
PERIOD = {"from": "2025-01", "to": "2025-04", "at": "2025-04-30", "tenant": "acme"}


def pay(invoice: Invoice, amount: int | None = None) -> None:
    record_payment(
        invoice_id=invoice.pk, provider="stripe", reference=f"pi_{invoice.number}_{amount}",
        amount_minor=amount or invoice.total_minor, currency=invoice.currency, occurred_at=invoice.finalized_at,
        as_of=invoice.finalized_at,
    )  # fmt: skip


@pytest.fixture(scope="module")
def books(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    yield from shared_world(django_db_blocker, make_books)


def make_books() -> None:
    """Create some months of two tenants: paid, credited, given up, paid wrong, in two currencies and with two taxes."""
    set_issuer(country="DE")
    TaxRate.objects.create(country="DE", percent=19)
    plan = make_plan(fee={"EUR": "49", "JPY": "7000"})
    for slug, fields in {"acme": {"country": "DE"}, "globex": {"country": "US", "currency": "JPY"}}.items():
        subscription = subscribe_tenant(slug, plan=plan, as_of=JANUARY, **fields)
        pay(first_invoice(subscription))
        use(subscription.tenant, 12_345, at=JANUARY + timedelta(days=3))
        credited, lost = close_month(subscription), close_month(subscription)
        pay(credited, 1)
        assert credited.finalized_at is not None
        at = credited.finalized_at + timedelta(days=1)
        issue_credit_note(invoice_id=credited.pk, reason="wrong", actor=STAFF, as_of=at)
        if slug == "acme":
            for service in (mark_uncollectible, write_off_invoice):
                service(invoice_id=lost.pk, reason="bankrupt", actor=STAFF, as_of=lost.finalized_at)


def page(client: Client, slug: str, **asked: str) -> Any:
    return client.get(reverse("admin:report", args=[slug]), PERIOD | asked)


def rows(client: Client, slug: str, **asked: str) -> list[dict[str, str]]:
    response = page(client, slug, format="csv", **asked)
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(StringIO(response.content.decode())))


def euros(found: list[dict[str, str]], column: str) -> int:
    return int(100 * sum(Decimal(row[column]) for row in found if row["Currency"] == "EUR"))


def posted(column: str = "amount_minor", **of: Any) -> int:
    found = Posting.objects.filter(currency="EUR", posted_on__lte="2025-04-30", **of)
    return int(found.aggregate(sum=Sum(column))["sum"] or 0)


@pytest.mark.parametrize("slug", REPORTS)
def test_a_report_page_shows_the_figures_of_its_file(books: None, as_pat: Client, slug: str) -> None:
    response = page(as_pat, slug)
    table = response.context["table"]
    assert table.rows
    text = response.content.decode()
    for row in table.shown:
        for name, cell, _ in row:
            assert f'data-label="{name}"' in text
            assert cell.replace("&", "&amp;") in text
    assert len(rows(as_pat, slug)) == len(table.rows)


def test_balances_sum_to_zero_and_agree_with_the_ledger(books: None, as_pat: Client) -> None:
    found = rows(as_pat, "balances", tenant="")
    assert euros(found, "Balance") == 0
    [receivable] = [row for row in found if (row["Currency"], row["Account"]) == ("JPY", "receivable")]
    assert int(receivable["Balance"]) > 0
    for row in found:
        if row["Currency"] == "EUR":
            assert euros([row], "Balance") == posted(account=row["Account"])


def test_receivables_agree_with_the_ledger(books: None, as_pat: Client) -> None:
    found = rows(as_pat, "receivables")
    acme, globex = found
    assert (acme["Slug"], acme["Total"], globex["Slug"]) == ("acme", "0", "globex"), "what is written off is not owed"
    assert Decimal(acme["Written off"]) * 100 == posted(account="write_off") > 0
    assert globex["Total"] == globex[AgeBracket.TO_60]
    assert euros(found, "Total") == posted(account="receivable") == 0
    [early] = [row for row in rows(as_pat, "receivables", at="2025-02-15") if row["Slug"] == "acme"]
    assert Decimal(early["Current"]) > 0


def test_taxes_agree_with_the_ledger(books: None, as_pat: Client) -> None:
    found = rows(as_pat, "taxes")
    assert {(row["Jurisdiction"], row["Category"], row["Rate, %"]) for row in found} == {
        ("DE", "S", "19"), ("US", "O", "0"),
    }  # fmt: skip
    assert euros(found, "Tax due") == -posted(account="tax") > 0
    assert euros(found, "Base") == posted("base_minor", account="tax")


def test_revenue_and_deferred_revenue_agree_with_the_ledger(books: None, as_pat: Client) -> None:
    earned, deferred = rows(as_pat, "revenue"), rows(as_pat, "deferred")
    assert euros(earned, "Earned") == -posted(account="revenue")
    assert {row["Meter"] for row in earned} == {"Fees and other lines", "calls"} - ({"calls"} - {row["Meter"] for row in earned})  # fmt: skip # noqa: E501
    assert euros(deferred, "Deferred") == -posted(account="deferred")


def test_a_statement_ends_with_the_amount_due(books: None, as_pat: Client) -> None:
    found = rows(as_pat, "statement")
    assert [row["What"] for row in found][:3] == ["brought forward", "invoice", "payment"]
    owed = posted(account__in=["receivable", "credit", "unallocated", "refund_due"], tenant__slug="acme")
    assert euros(found[-1:], "Balance") == euros(found, "Amount") == owed
    later = rows(as_pat, "statement", **{"from": "2025-03"})
    assert later[-1]["Balance"] == found[-1]["Balance"]
    assert Decimal(later[0]["Balance"]) != 0
    assert "write off" in {row["What"] for row in found}


@pytest.mark.parametrize(
    "asked",
    [
        {"from": "2025-13"}, {"from": "yesterday"}, {"from": "2025-05"}, {"from": "1925-01"}, {"tenant": "unknown"},
    ],
)  # fmt: skip
def test_a_report_that_cannot_be_shown_says_why(as_pat: Client, asked: dict[str, str]) -> None:
    response = page(as_pat, "statement", **asked)
    assert (response.status_code, response.context["table"]) == (200, None)
    assert 'class="staff-error"' in response.content.decode()
    assert page(as_pat, "balances", at="2025-02-30").context["table"] is None


def test_a_statement_needs_a_tenant_and_the_other_reports_show_the_year_so_far(as_pat: Client) -> None:
    assert as_pat.get(reverse("admin:report", args=["statement"])).context["table"] is None
    assert as_pat.get(reverse("admin:report", args=["taxes"])).context["table"] is not None
    assert as_pat.get(reverse("admin:report", args=["nothing"])).status_code == 404


def test_a_month_is_closed_by_permitted_staff_only(books: None, as_robin: Client, as_pat: Client) -> None:
    index = reverse("admin:reports")
    assert "Close January 2025" in as_robin.get(index).content.decode()
    assert "Close January" not in as_pat.get(index).content.decode()
    assert as_pat.post(index, {"month": "2025-01"}).status_code == 403
    for wrong in ("", "2999-01", "x"):
        as_robin.post(index, {"month": wrong})
    assert not ClosedMonth.objects.exists()
    response = as_robin.post(index, {"month": "2025-02"}, follow=True)
    assert "Closed: 2025-01, 2025-02." in response.content.decode()
    assert as_robin.get(reverse("admin:ledger_closedmonth_change", args=["2025-01-01"])).status_code == 200
    assert "Close March 2025" in response.content.decode()


def test_the_journal_shows_each_entry_with_its_postings(books: None, as_pat: Client) -> None:
    assert as_pat.get(reverse("admin:ledger_journalentry_changelist")).status_code == 200
    entry = JournalEntry.objects.filter(kind="invoice", currency="EUR").first()
    text = as_pat.get(reverse("admin:ledger_journalentry_change", args=[entry.pk])).content.decode()
    assert "DE S 19 % of 49.00" in text


def test_customers_do_not_see_the_books(as_alice: Client) -> None:
    for url in (reverse("admin:reports"), reverse("admin:report", args=["balances"])):
        assert as_alice.get(url).status_code == 302
