"""Credit that no invoice follows pays what is owed, the earliest due first, once; a credit note gives it back."""

from datetime import timedelta

import pytest

from billing.domain.settling import shares_for
from billing.models import BillingException, CreditSetOff, Invoice
from billing.selectors.invoicing.credit import set_off_of
from billing.selectors.invoicing.due import Due
from billing.services.invoicing.exceptions import report_credit
from billing.services.invoicing.setting_off import set_off_credit
from billing.services.invoicing.staff_actions import issue_credit_note
from tests.algorithm_pages import rows_below
from tests.billing.ledger.books import balances
from tests.billing.services.subscriptions.test_changes_races import DONE, at_once
from tests.billing.world import MARCH, STAFF, finalized_invoices, first_invoice, make_plan, subscribe_tenant

MAY = MARCH + timedelta(days=70)


def owed_with_credit(credit_minor: int) -> Invoice:
    """Return an invoice over 49.00 EUR of a tenant whose subscription has credit left."""
    invoice = first_invoice(subscribe_tenant())
    report_credit(invoice.subscription_id, "Left.", credit_minor, as_of=MAY)
    return invoice


def run() -> int:
    return set_off_credit(as_of=MAY, due=Due())


def test_shares_are_those_of_the_page() -> None:
    heads = (
        "due on the first", "due on the second", "set off on the first", "set off on the second", "to pay back",
    )  # fmt: skip
    for first, second, on_first, on_second, rest in (map(int, row) for row in rows_below("invoicing", *heads)):
        shares = dict(shares_for(4760, [("first", first), ("second", second)]))
        assert (shares.get("first", 0), shares.get("second", 0)) == (on_first, on_second)
        assert 4760 - on_first - on_second == rest


@pytest.mark.django_db
def test_credit_pays_what_is_owed_once_and_the_rest_waits() -> None:
    invoice = owed_with_credit(6000)
    assert (run(), run()) == (1, 0)
    invoice.refresh_from_db()
    exception = BillingException.objects.get()
    assert (invoice.status, invoice.amount_paid_minor) == ("paid", 4900)
    assert (exception.amount_minor, exception.resolved_at) == (1100, None)
    assert exception.detail.replace("\N{NO-BREAK SPACE}", " ").endswith("against INV-2026-000001; 11.00 EUR are left.")
    assert (balances()["credit"], "receivable" in balances()) == (4900, False)
    assert set_off_of([invoice.subscription_id]) == [(invoice.subscription_id, 4900)]


@pytest.mark.django_db
def test_another_tenant_pays_nothing_and_nothing_left_is_resolved() -> None:
    [other] = finalized_invoices(1, plan=make_plan())
    invoice = owed_with_credit(900)
    assert set_off_credit(as_of=MAY, due=Due(tenant_ids=[other.tenant_id])) == 0
    assert run() == 1
    exception = BillingException.objects.get()
    assert (exception.amount_minor, exception.resolved_at, exception.resolved_by) == (0, MAY, "invoicing")
    invoice.refresh_from_db()
    assert (invoice.status, invoice.amount_due_minor) == ("finalized", 4000)
    assert CreditSetOff.objects.get().invoice_id == invoice.pk


@pytest.mark.django_db
def test_a_credit_note_gives_credit_back_that_had_paid_its_invoice() -> None:
    invoice = owed_with_credit(4900)
    run()
    issue_credit_note(invoice_id=invoice.pk, reason="wrong", actor=STAFF, as_of=MAY)
    assert sum(CreditSetOff.objects.values_list("amount_minor", flat=True)) == 0
    waits = BillingException.objects.get(resolved_at=None)
    assert (waits.code, waits.amount_minor) == ("credit_left", 4900)
    assert run() == 0, "the invoice takes no payment any more"


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_set_off_once() -> None:
    owed_with_credit(6000)
    assert at_once(run, run) == [DONE, DONE]
    assert CreditSetOff.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_who_see_the_credit_without_a_lock_use_it_twice() -> None:
    # The control: nothing but the locks keeps the second row out.
    invoice = owed_with_credit(4900)
    exception = BillingException.objects.get()

    def careless() -> None:
        assert BillingException.objects.get().amount_minor == 4900
        CreditSetOff.objects.create(
            tenant_id=invoice.tenant_id, exception=exception, invoice=invoice, amount_minor=4900, created_at=MAY
        )

    assert at_once(careless, careless) == [DONE, DONE]
    assert CreditSetOff.objects.count() == 2
