"""An item waits for one invoice: the draft that is there, or the next one."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from billing.models import Subscription
from billing.selectors.invoicing.due import Due
from billing.selectors.invoicing.items import with_items
from billing.selectors.invoicing.states import states_at_due
from billing.services.invoicing.drafting import draft_batch
from tests.billing.models.rows import single_item
from tests.billing.world import MARCH, first_invoice, subscribe_tenant

pytestmark = pytest.mark.django_db

APRIL = MARCH + timedelta(days=31)


def test_the_draft_takes_what_waits_and_the_invoice_after_it_does_not() -> None:
    subscription = subscribe_tenant()
    first_invoice(subscription)
    known = Subscription.objects.get()
    [before] = states_at_due([known])
    single_item(subscription, quantity=Decimal(2))
    assert [one.item.quantity for one in with_items([before])[0].items] == [2]
    draft_batch(as_of=APRIL, due=Due())
    after = states_at_due([Subscription.objects.get()])
    assert with_items(after)[0].items == ()
    assert len(with_items([before])[0].items) == 1
    assert with_items([replace(before, subscription_id=None)])[0].items == ()
