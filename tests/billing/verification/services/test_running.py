"""Verification finds and names every change that was made past the services, and finds nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import JobRun
from billing.domain.prices import PerUnit
from billing.models import CreditNote, Invoice
from billing.services.invoicing.running import run_invoicing
from billing.services.invoicing.staff_actions import void_invoice
from billing.services.subscriptions.changes import When, change_plan
from billing.verification import tasks
from billing.verification.domain.checks import differences_in
from billing.verification.selectors.batches import load_batch, load_series
from billing.verification.services.running import Chosen, run_verification
from metering.selectors.catalog import forget_catalog
from metering.services.voids import void_event
from tests.billing.world import GRACE, MARCH, STAFF, first_invoice, make_plan, subscribe_tenant, use
from tests.metering.ledger_world import ledger_of

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.as_owner,
    pytest.mark.takes_long("months of invoices are verified again and again"),
]

APRIL, MAY, JUNE = (MARCH.replace(month=month) for month in (4, 5, 6))


@contextmanager
def tampering() -> Iterator[None]:
    """Switch off triggers, as only a person with the owner's rights and bad intent does."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
    yield
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = DEFAULT")


def execute(statement: str, *parameters: object) -> int:
    with tampering(), connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return cursor.rowcount


def closed_spring(slug: str = "acme") -> None:
    """Close three months, with a change of plan, a late event, a void and tax."""
    plan = make_plan()
    bigger = make_plan("bigger", fee="99", usage={"calls": PerUnit(Decimal("0.0005"))})
    subscription = subscribe_tenant(slug, plan=plan)
    first_invoice(subscription)
    tenant = subscription.tenant
    ids = use(tenant, 1000, at=MARCH + timedelta(days=1, minutes=17), count=3)
    change_plan(
        subscription=subscription,
        plan_version=bigger,
        when=When.NOW,
        actor=STAFF,
        as_of=MARCH + timedelta(days=10, hours=7, minutes=3),
    )
    use(tenant, 2000, at=MARCH + timedelta(days=20))
    run_invoicing(as_of=APRIL + GRACE)
    use(tenant, 77, at=MARCH + timedelta(days=30), as_of=APRIL + timedelta(days=3))
    use(tenant, 5, at=APRIL + timedelta(days=3), count=10)
    void_event(
        ledger=ledger_of(tenant), event_id=ids[0], reason="test", voided_by="test", as_of=APRIL + timedelta(days=4)
    )
    run_invoicing(as_of=MAY + GRACE)
    run_invoicing(as_of=JUNE + GRACE)


def found() -> list[str]:
    return [str(difference) for difference in run_verification(started_by="test", as_of=JUNE).differences]


def euros(amount: str) -> str:
    return f"{amount}\N{NO-BREAK SPACE}EUR"


def test_unchanged_books_agree() -> None:
    closed_spring()
    verification = run_verification(started_by="test", as_of=JUNE)
    assert verification.differences == []
    assert verification.verified == verification.total == 4
    run = JobRun.objects.get(name="verification")
    assert (run.outcome, run.summary) == ("succeeded", {"verified": 4, "of": 4, "differences": 0})
    assert tasks.verify_invoices() == "4 invoices, 0 differences"


SLIPPED_IN = """
INSERT INTO event (tenant_id, is_live, occurred_at, key, id, source, type, quantity, properties, received_at)
SELECT tenant_id, true, occurred_at, decode(md5('x'), 'hex'), 'x', '', type, 9, '{}', received_at FROM event
    WHERE quantity = 2000
"""
FORGED = """
UPDATE billing_invoicedocument SET content = jsonb_set(content, %s, %s) WHERE content ->> 'number' = 'INV-2026-000002'
"""
TWO = "INV-2026-000002"
THREE = "INV-2026-000003"
MARCHS_DAYS = "2026-03-01 to 2026-03-31"
LEDGER = "with its corrections up to then it has"


@dataclass(frozen=True)
class Tampering:
    """One planted change, and the beginning of each difference that must be found."""

    statement: str
    expected: tuple[str, ...]
    parameters: tuple[object, ...] = ()


TAMPERINGS = {
    "a line's amount": Tampering(
        "UPDATE billing_invoiceline SET amount_minor = amount_minor - 1 WHERE kind = 'usage' AND quantity = 3000",
        (
            f"{TWO}: lines_digest:",
            f"{TWO}: document: Its lines",
            f"{TWO}: line: Line 1: amount_minor is 299, and 300 follows.",
        ),
    ),
    "a line's quantity": Tampering(
        "UPDATE billing_invoiceline SET quantity = 2999 WHERE kind = 'usage' AND quantity = 3000",
        (f"{TWO}: lines_digest:", f"{TWO}: usage: Line 1: {LEDGER} 2999 in 3 events, the ledger had 3000 in 3 events."),
    ),
    "a line's explanation": Tampering(
        "UPDATE billing_invoiceline SET explanation = jsonb_set(explanation, '{exact_amount}', '\"9\"') WHERE "
        "quantity = 3000",
        (f"{TWO}: lines_digest:", f"{TWO}: line: Line 1: explanation is"),
    ),
    "a line that is gone": Tampering(
        "DELETE FROM billing_invoiceline WHERE kind = 'proration' AND amount_minor < 0",
        (f"{TWO}: lines_digest:", f"{TWO}: lines: It has 4 lines, but its plan gives 5."),
    ),
    "a usage line that is gone": Tampering(
        "DELETE FROM billing_invoiceline WHERE kind = 'usage' AND period_start >= '2026-05-01'",
        ("INV-2026-000004: lines: The usage lines are not those of its plan and period.",),
    ),
    "a fee": Tampering(
        "UPDATE billing_invoiceline SET amount_minor = 100 WHERE kind = 'recurring' AND period_start < '2026-03-02'",
        ("INV-2026-000001: line: Line 1: amount_minor is 100, and 4900 follows.",),
    ),
    "an adjustment": Tampering(
        "UPDATE billing_invoiceline SET amount_minor = 0 WHERE kind = 'adjustment' AND quantity < 0",
        (f"{THREE}: adjustment: Line 2: amount_minor is 0, and -100 follows.",),
    ),
    "an event's quantity": Tampering(
        "UPDATE event SET quantity = 1001 WHERE quantity = 1000",
        (
            f"{TWO}: usage: Line 1: {LEDGER} 3000 in 3 events, the ledger had 3003 in 3 events.",
            f"{THREE}: usage: Line 2: {LEDGER} 2000 in 2 events, the ledger had 2002 in 2 events.",
        ),
    ),
    "an event that is gone": Tampering(
        "DELETE FROM event WHERE quantity = 2000",
        (f"{TWO}: usage: Line 2: {LEDGER} 2000 in 1 event, the ledger had 0 in 0 events.",),
    ),
    "an event that was slipped in": Tampering(
        SLIPPED_IN, (f"{TWO}: usage: Line 2: {LEDGER} 2000 in 1 event, the ledger had 2009 in 2 events.",)
    ),
    "a void that is gone": Tampering(
        "DELETE FROM event_void",
        (f"{THREE}: usage: Line 2: {LEDGER} 2000 in 2 events, the ledger had 3000 in 3 events.",),
    ),
    "a price": Tampering(
        """UPDATE billing_price SET terms = '{"unit_amount": "0.002"}' WHERE terms = '{"unit_amount": "0.001"}'""",
        (
            "pro v1: price: Its prices are not those that were published.",
            f"{TWO}: line: Line 1: amount_minor is 300, and 600 follows.",
        ),
    ),
    "a price that is none": Tampering(
        """UPDATE billing_price SET terms = '{"unit_amount": "cheap"}' WHERE terms = '{"unit_amount": "0.001"}'""",
        ("plan version ",),
    ),
    "a total": Tampering(
        "UPDATE billing_invoice SET total_minor = total_minor - 100, subtotal_minor = subtotal_minor - 100 WHERE "
        "boundary = 2",
        (f"{THREE}: subtotal_minor: It says", f"{THREE}: total_minor: It says", f"{THREE}: document: Its total_minor"),
    ),
    "a tax": Tampering(
        "UPDATE billing_invoice SET tax_minor = 1, total_minor = subtotal_minor + 1 WHERE boundary = 2",
        (f"{THREE}: tax_minor: It says 1, and 0 follows.", f"{THREE}: document: Its tax_minor"),
    ),
    "a tax of a line": Tampering(
        "UPDATE billing_invoiceline SET tax_percent = 9 WHERE kind = 'adjustment' AND quantity < 0",
        (f"{THREE}: lines_digest: ", f"{THREE}: adjustment: ", f"{THREE}: taxes: ", f"{THREE}: document: Its lines"),
    ),
    "a row of taxes": Tampering(
        "UPDATE billing_invoicetax SET name = 'VAT' WHERE invoice_id = (SELECT id FROM billing_invoice WHERE "
        "boundary = 2)",
        (f"{THREE}: taxes: Its taxes are not those", f"{THREE}: document: Its taxes is not the invoice's."),
    ),
    "a document": Tampering(
        FORGED, (f"{TWO}: document_digest: The document is not the one that was issued.",), ("{customer,name}", '"Me"')
    ),
    "a document's total": Tampering(
        FORGED, (f"{TWO}: document: Its total_minor is not the invoice's.",), ("{total_minor}", "1")
    ),
    "a document that is gone": Tampering(
        "DELETE FROM billing_invoicedocument WHERE content ->> 'number' = 'INV-2026-000002'",
        (f"{TWO}: document: It has none.",),
    ),
    "a number": Tampering(
        "UPDATE billing_invoice SET number = 'INV-2026-000007' WHERE number = 'INV-2026-000002'",
        (
            "INV-2026: numbers: Missing: INV-2026-000002, INV-2026-000005, INV-2026-000006.",
            "INV-2026: numbers: Its counter says 4, the last used is 7.",
            "INV-2026-000007: document: Its number is not the invoice's.",
        ),
    ),
    "a counter": Tampering(
        "UPDATE billing_numberseries SET last_number = 5",
        ("INV-2026: numbers: Missing: INV-2026-000005.", "INV-2026: numbers: Its counter says 5, the last used is 4."),
    ),
    "a phase": Tampering(
        "UPDATE billing_subscriptionphase SET starts_at = '2026-03-15' WHERE starts_at > '2026-03-02'",
        (f"{TWO}: lines: The usage lines are not those of its plan and period.",),
    ),
}


def test_each_planted_change_is_found_and_named() -> None:
    closed_spring()
    for what, tampering in TAMPERINGS.items():
        with transaction.atomic():
            assert execute(tampering.statement, *tampering.parameters) >= 1, what
            differences = found()
            transaction.set_rollback(True)
        for beginning in tampering.expected:
            assert any(one.startswith(beginning) for one in differences), (what, beginning, differences)
    assert found() == []


def test_a_number_given_twice_is_found() -> None:
    closed_spring()
    execute("SET CONSTRAINTS ALL IMMEDIATE")
    execute("ALTER TABLE billing_invoice DROP CONSTRAINT billing_invoice_number_key")
    execute("UPDATE billing_invoice SET number = 'INV-2026-000004' WHERE number = 'INV-2026-000003'")
    execute("UPDATE billing_numberseries SET last_number = 4")
    assert any("Missing: INV-2026-000003" in str(one) for one in differences_in(load_series()))
    execute("UPDATE billing_invoice SET number = 'INV-2026-000003' WHERE boundary = 3")
    execute("UPDATE billing_invoice SET number = 'INV-2026-000003' WHERE boundary = 2")
    execute("UPDATE billing_numberseries SET last_number = 3")
    assert [str(one) for one in differences_in(load_series())] == [
        "INV-2026: numbers: The last number used is 3, but the number of documents is 4."
    ]


def test_a_file_and_a_credit_note_are_compared_too() -> None:
    first_invoice(subscribe_tenant())
    invoice = Invoice.objects.get()
    assert invoice.issued_on is not None
    sha = "0" * 64
    execute(
        "INSERT INTO accounts_storedfile (sha256, media_type, content, created_at) VALUES (%s, 'application/pdf', "
        "'x', now())",
        sha,
    )
    execute(
        "INSERT INTO billing_documentfile (number, file_id, created_at) VALUES (%s, %s, now())", invoice.number, sha
    )
    CreditNote.objects.create(
        id=invoice.pk,
        tenant=invoice.tenant,
        invoice=invoice,
        number="CN-2026-000001",
        currency="EUR",
        subtotal_minor=invoice.subtotal_minor - 1,
        tax_minor=0,
        total_minor=invoice.total_minor - 1,
        reason="test",
        issued_on=invoice.issued_on,
        issued_at=MARCH,
        issued_by="test",
        content=invoice.document.content,
        content_digest="0" * 64,
    )
    assert found() == [
        "CN-2026: numbers: Its counter says 0, the last used is 1.",
        "CN-2026-000001: document_digest: The document is not the one that was issued.",
        "CN-2026-000001: credit_note: Its subtotal_minor is not that of INV-2026-000001.",
        "CN-2026-000001: credit_note: Its total_minor is not that of INV-2026-000001.",
        "INV-2026-000001: file: The stored PDF is not the one that was rendered.",
        "INV-2026-000001: ledger: 0 of it is credited, and its credit notes come to 4899.",
        "INV-2026-000001: ledger: Its credit note CN-2026-000001 is not posted.",
    ]


def test_usage_that_came_after_the_latest_invoice_is_no_difference() -> None:
    closed_spring()
    tenant = Invoice.objects.all()[0].tenant
    use(tenant, 11, at=MARCH + timedelta(days=12), as_of=JUNE + timedelta(hours=3))
    assert found() == []


def test_usage_in_flight_when_an_invoice_was_computed_may_be_on_it_or_not() -> None:
    # Both are right at that moment. At the next invoice the correction, or its absence, is checked exactly.
    subscription = subscribe_tenant()
    first_invoice(subscription)
    use(subscription.tenant, 100, at=MARCH + timedelta(days=1))
    run_invoicing(as_of=APRIL + GRACE)
    # Began before the invoice was computed, and was stored after it.
    use(subscription.tenant, 7, at=MARCH + timedelta(days=2), as_of=APRIL + GRACE - timedelta(seconds=2))
    assert found() == []
    use(subscription.tenant, 9, at=MARCH + timedelta(days=3), as_of=APRIL + timedelta(days=3))
    run_invoicing(as_of=MAY + GRACE)
    assert found() == []
    execute("DELETE FROM event WHERE quantity = 7")
    assert found() == [
        f"{THREE}: usage: Line 2: {LEDGER} 116 in 3 events, the ledger had 109 in 2 events.",
        f"{TWO}: conservation: acme, calls of {MARCHS_DAYS}: {euros('0.12')} in force, and {euros('0.11')} is right.",
    ]


def test_an_event_long_known_that_no_invoice_has_is_found_where_a_correction_was_due() -> None:
    closed_spring()
    execute(SLIPPED_IN.replace("received_at FROM", "'2026-04-20' FROM"))
    assert found() == [
        f"{THREE}: usage: Line 3: {LEDGER} 2077 in 2 events, the ledger had 2086 in 3 events.",
        f"{TWO}: usage: Line 2: {LEDGER} 2077 in 2 events, the ledger had 2086 in 3 events.",
    ]


def test_credit_is_followed_through_an_invoice_that_used_it_and_was_voided() -> None:
    subscription = subscribe_tenant(plan=make_plan("big", fee="1000"))
    run_invoicing(as_of=MARCH)
    small, halfway = make_plan("small", fee="0"), MARCH + timedelta(days=15)
    change_plan(subscription=subscription, plan_version=small, when=When.NOW, actor=STAFF, as_of=halfway)
    run_invoicing(as_of=APRIL + GRACE)
    use(subscription.tenant, 600_000, at=APRIL + timedelta(days=1))
    run_invoicing(as_of=MAY + GRACE)
    used_it = Invoice.objects.get(boundary=2)
    void_invoice(invoice_id=used_it.pk, reason="wrong address", actor=STAFF, as_of=MAY + timedelta(days=2))
    use(subscription.tenant, 700_000, at=MAY + timedelta(days=3))
    run_invoicing(as_of=JUNE + GRACE)
    assert found() == []
    execute("UPDATE billing_invoice SET voided_at = '2026-06-20' WHERE status = 'void'")
    # By its later day the void is posted too early, and the next invoice used credit that it still had.
    assert [one.split(":")[1] for one in found()] == [" lines", " ledger"]


def test_one_tenant_or_one_invoice_is_verified_alone() -> None:
    closed_spring()
    closed_spring("globex")
    tenant_id = Invoice.objects.filter(tenant__slug="globex").values_list("tenant_id", flat=True)[0]
    assert run_verification(started_by="t", as_of=JUNE, chosen=Chosen(tenant_ids=[tenant_id])).verified == 4
    assert run_verification(started_by="t", as_of=JUNE, chosen=Chosen(number="INV-2026-000003")).verified == 1
    assert set(JobRun.objects.values_list("name", flat=True)) == {"verification of some"}


def test_the_queries_of_verification_do_not_grow_with_the_invoices() -> None:
    closed_spring()

    def queries(invoices: list[Invoice]) -> int:
        forget_catalog()  # otherwise it depends on the second whether meters are read
        with CaptureQueriesContext(connection) as context:
            assert differences_in(load_batch(invoices)) == []
        return len(context)

    everything = Invoice.objects.issued().select_related("subscription")
    before = queries(list(everything))
    for number in range(3):
        closed_spring(f"tenant-{number}")
    assert queries(list(everything)) == before


def command(*options: str) -> str:
    out = StringIO()
    call_command("verify_invoices", *options, stdout=out)
    return out.getvalue()


def test_the_command_names_differences_and_fails() -> None:
    closed_spring()
    assert command() == "4 invoices verified, 0 differences\n"
    assert command("--tenant", "acme", "--number", "INV-2026-000002") == "1 invoice verified, 0 differences\n"
    execute(TAMPERINGS["a counter"].statement)
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("verify_invoices", stdout=out)
    assert "INV-2026: numbers: Missing: INV-2026-000005." in out.getvalue()
    assert out.getvalue().endswith("4 invoices verified, 2 differences\n")


@pytest.mark.parametrize("options", [["--tenant", "nobody"], ["--number", "INV-1"]])
def test_the_command_refuses_unknown_tenants_and_invoices(options: list[str]) -> None:
    with pytest.raises(CommandError, match="There is no"):
        command(*options)


def test_an_invoice_that_says_it_is_paid_without_a_payment_is_found() -> None:
    invoice = first_invoice(subscribe_tenant())
    Invoice.objects.filter(pk=invoice.pk).update(status="paid", paid_at=MARCH, amount_paid_minor=4900)
    found = run_verification(started_by="test", as_of=APRIL).differences
    assert [(one.subject, one.code) for one in found] == [
        ("tenant acme", "ledger"),
        (invoice.number, "payment"),
        (invoice.number, "ledger"),
    ]
