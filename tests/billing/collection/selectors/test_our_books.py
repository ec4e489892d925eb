"""Our side of a reconciliation: a fixed number of queries, and whatever the provider names is in it."""

from datetime import timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from billing.collection.selectors.our_books import our_books
from tests.billing.collection.models import rows as provider_rows
from tests.billing.models import rows
from tests.billing.models.rows import NOW
from tests.billing.world import subscribe_tenant

pytestmark = pytest.mark.django_db


def test_our_books_take_the_same_number_of_queries_for_any_number_of_payments(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    subscription = subscribe_tenant()
    invoice = rows.draft(subscription)
    provider_rows.customer(subscription)
    for number in range(5):
        paid = rows.payment(invoice, reference=f"in_{number}", provider="stripe", occurred_at=NOW)
    rows.refund(paid, way="provider", reference="re_1", occurred_at=NOW)
    rows.dispute(paid, reference="du_1", occurred_at=NOW)

    with django_assert_num_queries(5):
        ours = our_books(provider="stripe", since=NOW - timedelta(days=1), claims=[])

    assert set(ours.payments) == {f"in_{number}" for number in range(5)}
    assert {payment.posted_minor for payment in ours.payments.values()} == {None}
    assert (set(ours.refunds), set(ours.disputes)) == ({"re_1"}, {"du_1"})
    assert ours.tenants == {"cus_1": subscription.tenant_id}
    late = our_books(provider="stripe", since=NOW + timedelta(days=9), claims=[], references=["in_3"])
    assert set(late.payments) == {"in_3"}
