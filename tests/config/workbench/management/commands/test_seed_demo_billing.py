"""The demonstration's money: invoices in every state by the real services, the same however often the seed runs."""

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
import time_machine
from django.db.models import F, Sum
from django.test import Client, override_settings
from django.urls import reverse
from django_q.models import OrmQ
from pytest_django.plugin import DjangoDbBlocker

from accounts.domain.roles import Role
from accounts.exports.models import TenantExport
from accounts.models import Discrepancy, Membership, Tenant, User
from accounts.notices.models import OutboundMail
from billing.admin.reports import REPORTS
from billing.banking.models import BankEntry, EntryStatus
from billing.collection.selectors.our_books import findings_to_settle
from billing.collection.services.reconciling import reconcile_payments
from billing.desk.models import Approval, LineQuestion, WriteOff
from billing.domain.money import is_whole_minor, round_to_minor
from billing.domain.plan_terms import check_offer, fee_amount
from billing.dunning.models import DunningCase
from billing.ledger.models import ClosedMonth, Posting
from billing.ledger.selectors.statements import CUSTOMERS
from billing.models import (
    CreditNote,
    DisputeState,
    Invoice,
    InvoiceLine,
    NumberSeries,
    Payment,
    PaymentDispute,
    PaymentRefund,
    Subscription,
    TaxIdCheck,
    TaxRate,
)
from billing.selectors.catalog.plans import plans_for_sale
from billing.verification.services.running import run_verification
from config.workbench.demo.billing import LATE_EVENTS, STORIES
from config.workbench.demo.cast import TENANTS
from config.workbench.demo.catalogue import ADDRESSES, PRODUCTS, RATES, offer_of
from config.workbench.demo.desk import CREDITED_MINOR
from config.workbench.demo.fakes import add_to_fakes
from config.workbench.demo.operations import PAYOUT_BEFORE, queue_proofs
from config.workbench.demo.questions import ACCEPTED_MINOR
from config.workbench.demo.steps import seed_demo
from config.workbench.demo.transfers import IN_STATEMENT
from config.workbench.fakepaddle.server import FakePaddle
from config.workbench.fakestripe.server import FakeStripe
from metering.alerts.models import ThresholdAlert
from metering.api.csv_renderer import cell
from metering.services.nightly import run_reconciliation
from metering.services.partitions import ensure_partitions_around
from tests.shared_world import shared_world

pytestmark = [pytest.mark.django_db, pytest.mark.takes_long("it creates half a year of a company")]
AS_OF = datetime(2026, 11, 21, 12, 17, 33, tzinfo=UTC)
QUIET = 1
# Long enough for what happens to each, with as little traffic as there may be.
SLUGS = (
    "northwind-maps",
    "harbor-analytics",
    "kestrel-logistics",
    "fjord-robotics",
    "atlas-freight",
    "oldgate-devices",
    "quiet-harbour-studio",
)
SMALL = [replace(tenant, hourly_tenths=QUIET, spike_days=()) for tenant in TENANTS if tenant.slug in SLUGS]


BACKEND = "django.contrib.auth.backends.ModelBackend"
HALF_A_YEAR = {"from": "2026-05", "to": "2026-11", "at": "2026-11-21"}
Amounts = Counter[str]


@pytest.fixture(scope="module")
def demo(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """Seed the demo once, below the transaction of each test; the path is its file of credentials."""
    path = tmp_path_factory.mktemp("demo") / "demo.json"

    def make() -> Path:
        seed(path, AS_OF)
        return path

    yield from shared_world(django_db_blocker, make)


def seed(path: Path, as_of: datetime) -> None:
    ensure_partitions_around(as_of=as_of, backfill_days=190)
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        seed_demo(seed="money", as_of=as_of, credentials_file=path, tenants=SMALL)


def told() -> list[tuple[object, ...]]:
    rows = Invoice.objects.order_by("number").values_list("number", "status", "total_minor", "tenant__slug", "boundary")
    return [*rows, *Payment.objects.order_by("reference").values_list("reference", "status")]


def test_every_demo_tenant_has_an_address_and_a_currency_for_sale() -> None:
    assert set(ADDRESSES) == {tenant.slug for tenant in TENANTS}
    assert {tenant.currency for tenant in TENANTS} <= set(RATES)
    assert set(STORIES) <= set(ADDRESSES)


def test_every_demo_plan_can_be_sold_in_every_currency() -> None:
    for product in PRODUCTS:
        offer = offer_of(product)
        check_offer(offer)
        assert {price.currency for price in offer.prices} == set(RATES)


def test_half_a_year_of_money_is_created_once(demo: Path) -> None:
    first = told()
    statuses = set(Invoice.objects.values_list("status", flat=True))
    assert statuses == {"paid", "finalized", "void", "uncollectible"}
    assert CreditNote.objects.filter(part_of=None).count() == 3  # two by story, one of the invoice issued again
    assert LineQuestion.objects.filter(status="accepted").count() == 1
    by_question, by_staff = sorted(CreditNote.objects.exclude(part_of=None).values_list("subtotal_minor", flat=True))
    assert by_staff == CREDITED_MINOR
    assert 0 < by_question <= ACCEPTED_MINOR
    assert Invoice.objects.get(kind="replacement").replaces.credit_note is not None
    assert WriteOff.objects.get().invoice.status == "uncollectible"
    assert [row.kind for row in Approval.objects.filter(status="open")] == ["manual_invoice"]
    assert Invoice.objects.filter(kind="manual").count() == 1
    assert (
        PaymentRefund.objects.get().amount_minor
        == CreditNote.objects.get(invoice__tenant__slug="fjord-robotics").total_minor
    )
    partly = Invoice.objects.get(status="finalized", amount_paid_minor__gt=0)
    assert 0 < partly.amount_due_minor < partly.total_minor
    closed = [str(month) for month in ClosedMonth.objects.all()]
    assert closed[0] == "2026-08", "three months are open"
    assert NumberSeries.objects.get(code="INV-2026").last_number == Invoice.objects.count()
    assert not Invoice.objects.filter(finalized_at__lt=F("subscription__started_at")).exists()
    assert {s.tenant.slug: s.status for s in Subscription.objects.select_related("tenant")} == {
        "northwind-maps": "active",
        "harbor-analytics": "active",
        "kestrel-logistics": "active",
        "fjord-robotics": "active",
        "atlas-freight": "past_due",
        "oldgate-devices": "past_due",
        "quiet-harbour-studio": "active",
    }
    corrections = InvoiceLine.objects.filter(kind="adjustment", meter__code="api_requests")
    assert [line.quantity for line in corrections] == [LATE_EVENTS]
    assert InvoiceLine.objects.filter(kind="proration", invoice__tenant__slug="northwind-maps").count() == 2
    assert Payment.objects.filter(status="failed", invoice__tenant__slug="atlas-freight").count() == 3
    followed = DunningCase.objects.get(tenant__slug="atlas-freight")
    assert (followed.status, followed.steps.filter(status="done").count()) == ("open", 3)
    assert DunningCase.objects.get(tenant__slug="fjord-robotics").status == "recovered"
    assert not ThresholdAlert.objects.filter(occurred_at__gt=AS_OF).exists()
    for version in plans_for_sale():
        for currency in version.currencies:
            fee = version.fee(currency)
            assert fee is not None
            assert is_whole_minor(fee_amount(fee), currency)
            assert fee_amount(fee) >= Decimal(0)
    assert run_verification(started_by="test", as_of=AS_OF).differences == []
    seed(demo, AS_OF + timedelta(hours=3))
    assert told() == first


def test_a_rate_changed_between_two_lines_of_an_invoice_in_dollars(demo: Path) -> None:
    rates = list(TaxRate.objects.filter(country="PT").order_by(F("valid_from").asc(nulls_first=True)))
    assert [rate.percent for rate in rates] == [22, 23]
    [first_day] = [rate.valid_from for rate in rates if rate.valid_from]
    invoices = Invoice.objects.filter(tenant__slug="quiet-harbour-studio", lines__supplied_on=first_day)
    invoice = invoices.select_related("document").get()
    lines = invoice.lines.order_by("supplied_on")
    assert [(line.kind, line.supplied_on < first_day, line.tax_percent) for line in lines] == [
        ("usage", True, 22), ("recurring", False, 23),
    ]  # fmt: skip
    in_euros = invoice.document.content["issuer_currency"]
    assert (invoice.currency, in_euros["currency"]) == ("USD", "EUR")
    assert "made-up rate" in in_euros["words"]


def test_vat_numbers_were_checked_before_the_first_invoice(demo: Path) -> None:
    check = TaxIdCheck.objects.get(tenant__slug="oldgate-devices")
    first = Invoice.objects.filter(tenant=check.tenant).order_by("finalized_at").first()
    assert first is not None
    assert first.finalized_at > check.checked_at
    assert "VIES" in check.reference
    assert set(first.taxes.values_list("treatment", flat=True)) == {"reverse_charge"}


def test_operations_have_something_to_show(demo: Path) -> None:
    assert Discrepancy.objects.exclude(closed_at=None).exclude(acceptance="").count() == 1
    assert findings_to_settle().get().code == "payout"
    still_open = Discrepancy.objects.open().get()
    assert (still_open.found_by, still_open.is_holding) == ("limits", False)
    queue_proofs()
    run_reconciliation(started_by="test", as_of=AS_OF)
    queue_proofs()
    assert Counter(queued.group() for queued in OrmQ.objects.all()) == {"reconciliation": 1, "verification": 2}
    assert not OutboundMail.objects.exclude(status="sent").exists(), "no address of the demo exists"
    export = TenantExport.objects.get()
    assert (export.status, export.files.filter(name="manifest.json").count()) == ("ready", 1)


def amounts_of(rows: list[dict[str, str]], column: str) -> Amounts:
    """Return the sums of a column by currency, without currencies that come to nothing."""
    sums: dict[str, Decimal] = {}
    for row in rows:
        sums[row["Currency"]] = sums.get(row["Currency"], Decimal(0)) + Decimal(row[column])
    return Counter({currency: round_to_minor(amount, currency) for currency, amount in sums.items() if amount})


def posted(*accounts: str, column: str = "amount_minor", sign: int = 1, **of: object) -> Amounts:
    rows = Posting.objects.filter(account__in=accounts, posted_on__lte=AS_OF.date(), **of).order_by()
    sums = rows.values_list("currency").annotate(sum=Sum(column))
    return Counter({currency: sign * amount for currency, amount in sums if amount})


def test_every_report_ties_with_the_ledger_of_accounts(demo: Path, client: Client) -> None:
    with time_machine.travel(AS_OF, tick=False):
        client.force_login(User.objects.get(is_superuser=True), backend=BACKEND)
        tables = {slug: report(client, slug) for slug in REPORTS if slug != "statement"}
        assert amounts_of(tables["balances"], "Balance") == {}, "debit and credit"
        for account in {row["Account"] for row in tables["balances"]}:
            own = [row for row in tables["balances"] if row["Account"] == account]
            assert amounts_of(own, "Balance") == posted(account), account
        assert amounts_of(tables["receivables"], "Total") == posted("receivable") != {}
        assert amounts_of(tables["receivables"], "Written off") == posted("write_off") != {}
        assert amounts_of(tables["taxes"], "Tax due") == posted("tax", sign=-1) != {}
        assert amounts_of(tables["taxes"], "Base") == posted("tax", column="base_minor")
        assert {row["Rate, %"] for row in tables["taxes"] if row["Jurisdiction"] == "PT"} == {"22", "23"}
        assert amounts_of(tables["revenue"], "Earned") == posted("revenue", sign=-1) != {}
        assert amounts_of(tables["deferred"], "Deferred") == posted("deferred", sign=-1)
        for tenant in Tenant.objects.filter(journal_entries__isnull=False).distinct():
            rows = report(client, "statement", tenant=tenant.slug)
            assert amounts_of(rows, "Amount") == posted(*CUSTOMERS, tenant=tenant), tenant.slug
            assert portal_statement(tenant) == [(row["Document"], row["Amount"], row["Balance"]) for row in rows]


def report(client: Client, slug: str, **asked: str) -> list[dict[str, str]]:
    """Return the rows of a report's file, which are those of its page."""
    url = reverse("admin:report", args=[slug])
    page = client.get(url, HALF_A_YEAR | asked)
    file = client.get(url, HALF_A_YEAR | asked | {"format": "csv"})
    rows = list(csv.DictReader(StringIO(file.content.decode())))
    table = page.context["table"]
    assert [[cell(value) for value in row] for row in table.plain] == [list(row.values()) for row in rows]
    text = page.content.decode()
    assert all(amount in text for row in table.shown for _, amount, is_amount in row if is_amount)
    return rows


def portal_statement(tenant: Tenant) -> list[tuple[str, str, str]]:
    """Return what the owner's file of the account says, of the same days."""
    owner = Membership.objects.select_related("user").filter(tenant=tenant, role=Role.OWNER).order_by("pk")[0].user
    client = Client()
    client.force_login(owner, backend=BACKEND)
    asked = {"start": "2026-05-01", "end": "2026-11-30", "format": "csv"}
    file = client.get(reverse("portal:statement", args=[tenant.slug]), asked)
    return [(row["document"], row["amount"], row["balance"]) for row in csv.DictReader(StringIO(file.content.decode()))]


@pytest.mark.takes_long("it needs half a year of a company")
def test_the_providers_have_the_demos_payments_and_the_night_finds_only_what_is_planted(
    demo: Path, fake_stripe: FakeStripe, fake_paddle: FakePaddle
) -> None:
    missing = reconcile_payments(as_of=AS_OF, days=200)
    assert any("missing_there" in line for line in missing.lines), "the control: without them each payment is missed"

    for _ in range(2):
        add_to_fakes(tenants=list(Tenant.objects.all()), payout_at=AS_OF - PAYOUT_BEFORE)
    found = reconcile_payments(as_of=AS_OF, days=200)

    assert found.away == []
    assert [line for line in found.lines if "po_demo" not in line] == []
    assert [finding.subject for finding in findings_to_settle()] == ["payout po_demo"]


@pytest.mark.takes_long("it needs half a year of a company")
def test_a_statement_of_the_demo_pays_three_invoices_and_leaves_one_entry(demo: Path) -> None:
    statuses = Counter(BankEntry.objects.values_list("status", flat=True))
    assert statuses == {EntryStatus.ASSIGNED: len(set(IN_STATEMENT) & set(SLUGS)), EntryStatus.OPEN: 1}
    assert PaymentDispute.objects.get().state == DisputeState.OPEN
