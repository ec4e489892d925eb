"""Charges and credits on the next invoice: once, with tax, by two above the limit, and what a void does to them."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.errors import ConflictError, InvalidFieldsError, NotFoundError
from accounts.models import AuditEntry
from billing.desk.admin.approvals import lines_of_request
from billing.desk.errors import ApprovalError
from billing.desk.models import Approval
from billing.desk.services.deciding import approve
from billing.desk.services.items import add_item, cancel_item
from billing.domain.invoicing.items import NO_SUPPLY_NOTE, Item
from billing.errors import SubscriptionChangedError
from billing.models import BillingException, Invoice, InvoiceTax, SingleItem, Subscription, TaxRate
from billing.selectors.invoicing.due import Due
from billing.selectors.invoicing.preview import preview_next_invoice
from billing.services.documents.deliveries import invoice_pdf
from billing.services.invoicing.drafting import draft_batch
from billing.services.invoicing.reissuing import reissue_invoice
from billing.services.invoicing.running import run_invoicing
from billing.services.invoicing.staff_actions import issue_credit_note, void_invoice
from billing.services.subscriptions.changes import When, cancel_subscription
from billing.verification.services.running import run_verification
from tests.algorithm_pages import rows_below
from tests.billing.desk.colleagues import colleague
from tests.billing.world import GRACE, MARCH, STAFF, close_month, first_invoice, set_issuer, subscribe_tenant
from tests.metering.ledger_world import make_tenant

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
ON = date(2026, 3, 10)
SETUP = Item("Setup", Decimal("2.5"), "hours", Decimal("6.00"), ON, ON)
GOODWILL = Item("Hour of errors", Decimal(1), "", Decimal("-20.00"), ON, ON)
APRIL, MAY = MARCH + 31 * DAY, MARCH + 61 * DAY


@pytest.fixture
def subscription() -> Subscription:
    """Return a customer in Belgium with 21 %, whose first fee of 49.00 is invoiced."""
    set_issuer(country="BE", legal_name="Meridian", address_line1="Rue 1", city="Brussels", tax_id="BE0403019261")
    TaxRate.objects.get_or_create(country="BE", defaults={"percent": 21})
    made = subscribe_tenant(country="BE", address_line1="Rue 2", city="Ghent", legal_name="Acme")
    first_invoice(made)
    return made


def add(subscription: Subscription, item: Item = SETUP, **fields: Any) -> SingleItem:
    facts = {"tenant_id": subscription.tenant_id, "item": item, "reason": "agreed", "actor": STAFF} | fields
    made = add_item(**({"as_of": MARCH + 10 * DAY} | facts))
    assert isinstance(made, SingleItem)
    return made


def one_offs(invoice: Invoice) -> list[int]:
    lines = invoice.lines.filter(kind="one_off", revision=invoice.revision)
    return list(lines.order_by("position").values_list("amount_minor", flat=True))


def closed(subscription: Subscription) -> Invoice:
    close_month(subscription)
    return Invoice.objects.exclude(boundary=None).order_by("-boundary")[0]


def differences(as_of: Any) -> list[str]:
    return [str(one) for one in run_verification(started_by="test", as_of=as_of).differences]


def test_the_next_invoice_takes_what_waits_and_the_one_after_does_not(subscription: Subscription) -> None:
    charge, credit = add(subscription), add(subscription, GOODWILL, as_of=MARCH + 11 * DAY)
    ahead = preview_next_invoice(subscription=Subscription.objects.get())
    invoice = closed(subscription)
    # 49.00 + 15.00 - 20.00, and 21 % of 44.00.
    assert (invoice.subtotal_minor, invoice.tax_minor, invoice.total_minor) == (4400, 924, 5324)
    assert (ahead.total_minor, one_offs(invoice)) == (5324, [1500, -2000])
    charge.refresh_from_db()
    credit.refresh_from_db()
    assert (charge.invoice, credit.invoice) == (invoice, invoice)
    said = next(line for line in invoice.document.content["lines"] if line["description"] == "Setup")
    assert (said["kind"], said["amount_minor"]) == ("one_off", 1500)
    assert invoice_pdf(invoice=invoice, as_of=APRIL + DAY)
    assert one_offs(closed(subscription)) == []
    assert differences(MAY + DAY) == []
    with pytest.raises(ConflictError, match="INV-2026-000002 has taken it"):
        cancel_item(item_id=charge.pk, actor=STAFF, as_of=MAY)
    assert [entry.action for entry in AuditEntry.objects.filter(target_kind="single_item")] == ["single_item.added"] * 2


def test_an_item_is_cancelled_until_it_is_taken_also_when_a_draft_shows_it(subscription: Subscription) -> None:
    kept, dropped = add(subscription), add(subscription, GOODWILL, as_of=MARCH + 11 * DAY)
    draft_batch(as_of=APRIL, due=Due())
    assert one_offs(Invoice.objects.get(status="draft")) == [1500, -2000]
    cancel_item(item_id=dropped.pk, actor=STAFF, as_of=APRIL)
    late = add(subscription, Item("Late", Decimal(1), "", Decimal(1), ON, ON), as_of=APRIL)
    assert preview_next_invoice(subscription=Subscription.objects.get()).subtotal_minor == 4900
    run_invoicing(as_of=APRIL + GRACE)
    assert one_offs(Invoice.objects.get(boundary=1)) == [1500, 100]
    for item in (kept, late):
        item.refresh_from_db()
        assert item.invoice is not None
    assert differences(APRIL + DAY) == []
    for item_id, error in ((dropped.pk, ConflictError), (subscription.pk, NotFoundError)):
        with pytest.raises(error):
            cancel_item(item_id=item_id, actor=STAFF, as_of=APRIL)


@pytest.mark.parametrize(
    ("what", "subtotal", "tax", "total", "following"),
    rows_below("invoicing", "what happens to INV-2", "subtotal", "tax", "total", "on the next invoice"),
)
def test_what_becomes_of_them_is_as_the_page_says(
    subscription: Subscription, what: str, subtotal: str, tax: str, total: str, following: str
) -> None:
    add(subscription)
    credit = add(subscription, GOODWILL)
    taken = closed(subscription)
    assert [str(minor) for minor in (taken.subtotal_minor, taken.tax_minor, taken.total_minor)] == [
        subtotal, tax, total,
    ]  # fmt: skip
    act = {"reason": "wrong", "actor": STAFF, "as_of": APRIL + DAY}
    if what == "it is void":
        void_invoice(invoice_id=taken.pk, **act)
    elif what == "it is credited whole":
        issue_credit_note(invoice_id=taken.pk, **act)
    elif what != "nothing":
        replacement = reissue_invoice(invoice_id=taken.pk, **act)
        assert sorted(one_offs(replacement)) == [-2000, 1500]
        if "credited" in what:
            issue_credit_note(invoice_id=replacement.pk, **act)
    TaxRate.objects.filter(country="BE").update(percent=25)
    next_one = closed(subscription)
    assert sum(one_offs(next_one)) == int(following)
    again = next_one.lines.filter(kind="one_off", revision=next_one.revision)
    assert [line.tax_percent for line in again] == [Decimal(21)] * len(again)  # what it bore
    credit.refresh_from_db()
    assert credit.invoice == (next_one if again else taken)
    assert one_offs(closed(subscription)) == []
    assert differences(MAY + 40 * DAY) == []


def test_what_is_no_supply_bears_no_tax_also_when_it_is_issued_again(subscription: Subscription) -> None:
    add(subscription, Item("Damages", Decimal(1), "", Decimal("-20.00"), ON, ON, "O"))
    taken = closed(subscription)
    replacement = reissue_invoice(invoice_id=taken.pk, reason="wrong buyer", actor=STAFF, as_of=APRIL + DAY)
    for invoice in (taken, replacement):
        bears = InvoiceTax.objects.filter(invoice=invoice, category="O").values_list("base_minor", "reason")
        assert list(bears) == [(-2000, NO_SUPPLY_NOTE)]
    assert differences(APRIL + 2 * DAY) == []


def test_without_an_invoice_to_come_a_credit_is_left(subscription: Subscription) -> None:
    add(subscription, GOODWILL)
    cancel_subscription(subscription=subscription, when=When.PERIOD_END, actor=STAFF, as_of=MARCH + 11 * DAY)
    for days in (31, 40, 440):
        run_invoicing(as_of=MARCH + days * DAY + GRACE)
    assert Invoice.objects.get(boundary=1).carried_minor == 2420
    assert "24.20" in BillingException.objects.get(code="credit_left").detail.replace("\N{NO-BREAK SPACE}", " ")
    with pytest.raises(ConflictError, match="write an invoice"):
        add(subscription, as_of=MARCH + 441 * DAY)
    assert differences(MARCH + 441 * DAY) == []


def test_above_the_limit_a_colleague_approves_the_amount_that_was_seen(subscription: Subscription) -> None:
    set_issuer(approval_above=Decimal(20))
    facts: dict[str, Any] = {"tenant_id": subscription.tenant_id, "reason": "agreed", "as_of": MARCH + 10 * DAY}
    asked = add_item(**facts, item=GOODWILL, actor=colleague("bo"))
    changed = add_item(**facts, item=GOODWILL, actor=colleague("bo"))
    assert isinstance(asked, Approval)
    assert isinstance(changed, Approval)
    assert (asked.kind, asked.amount_minor, SingleItem.objects.count()) == ("single_item", 2420, 0)
    assert lines_of_request(asked) == ["Hour of errors: 1 at \N{MINUS SIGN}20.00\N{NO-BREAK SPACE}EUR, 2026-03-10"]
    approve(approval_id=asked.pk, actor=colleague("kim"), as_of=MARCH + 11 * DAY)
    assert SingleItem.objects.get().amount_minor == -2000
    TaxRate.objects.filter(country="BE").update(percent=25)
    with pytest.raises(ApprovalError, match=r"comes to 25\.00.EUR now"):
        approve(approval_id=changed.pk, actor=colleague("kim"), as_of=MARCH + 11 * DAY)


def test_what_cannot_be_added_is_refused(subscription: Subscription) -> None:
    for item, sentence in (
        (Item("x", Decimal(1), "", Decimal(0), ON, ON), "comes to nothing"),
        (Item("x", Decimal(0), "", Decimal(1), ON, ON), "nine decimals"),
        (Item("x", Decimal(1), "", Decimal(1), ON, ON, "S"), "Empty, or O"),
        (Item("x", Decimal(10**9), "", Decimal(10**9), ON, ON), "more than any invoice"),
    ):
        with pytest.raises(InvalidFieldsError, match=sentence):
            add(subscription, item)
    with pytest.raises(ConflictError, match="write an invoice"):
        add(subscription, tenant_id=make_tenant("stranger").pk)
    assert not SingleItem.objects.exists()


def test_while_it_is_being_drafted_nothing_is_added(
    subscription: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A draft that appears between the look for it and the lock of the subscription.
    draft_batch(as_of=APRIL, due=Due())
    seen = iter([Invoice.objects.none()])
    real = Invoice.objects.filter
    monkeypatch.setattr(
        "billing.desk.services.items._drafts_of", lambda pk: next(seen, real(subscription=pk, status="draft"))
    )
    with pytest.raises(SubscriptionChangedError):
        add(subscription, as_of=APRIL)
