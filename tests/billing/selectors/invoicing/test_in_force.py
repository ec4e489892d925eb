"""Which subscriptions have a document that is not in force, or was given up."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from billing.models import InvoiceLine
from billing.selectors.invoicing.in_force import IS_GIVEN_UP, IS_GONE, touched_subscriptions
from billing.services.invoicing.staff_actions import issue_credit_note, mark_uncollectible, void_invoice
from tests.billing.world import MARCH, STAFF, first_invoice, subscribe_tenant

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("act", "is_gone", "is_given_up"),
    [(void_invoice, True, False), (issue_credit_note, True, False), (mark_uncollectible, False, True)],
)
def test_documents_not_in_force_are_found(act: Callable[..., object], is_gone: bool, is_given_up: bool) -> None:
    invoice = first_invoice(subscribe_tenant())
    assert touched_subscriptions([invoice.subscription_id]) == set()
    assert not InvoiceLine.objects.filter(IS_GONE | IS_GIVEN_UP).exists()
    act(invoice_id=invoice.pk, reason="wrong", actor=STAFF, as_of=MARCH + timedelta(days=1))
    assert touched_subscriptions([invoice.subscription_id]) == {invoice.subscription_id}
    assert InvoiceLine.objects.filter(IS_GONE).exists() is is_gone
    assert InvoiceLine.objects.filter(IS_GIVEN_UP).exists() is is_given_up
