"""Staff add a charge or a credit to a customer's next invoice, see its state, and cancel what waits."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from billing.models import SingleItem
from tests.billing.admin.desk import issued, said

pytestmark = pytest.mark.django_db


def test_a_credit_is_added_and_cancelled(as_bo: Client, as_pat: Client) -> None:
    invoice = issued()
    url = reverse("admin:billing_singleitem_add_next")
    assert as_pat.get(url).status_code == 403
    assert "next invoice" in as_bo.get(url).content.decode()
    today = str(timezone.now().date())
    given = {
        "tenant": "acme", "way": "credit", "description": "An hour of errors", "quantity": "1", "unit_price": "20",
        "first_on": today, "reason": "agreed", "tax_category": "O",
    }  # fmt: skip
    assert "no such customer" in as_bo.post(url, given | {"tenant": "nowhere"}).content.decode()
    assert "Added to the next invoice" in said(as_bo.post(url, given))
    row = SingleItem.objects.get()
    assert (row.amount_minor, row.tax_category, row.created_by) == (-2000, "O", "bo@example.org")
    subscription = reverse("admin:billing_subscription_change", args=[invoice.subscription_id])
    assert "An hour of errors" in as_bo.get(subscription).content.decode()
    assert "Waits" in as_bo.get(reverse("admin:billing_singleitem_changelist")).content.decode()
    cancel = reverse("admin:billing_singleitem_cancel", args=[row.pk])
    assert "Cancel An hour" in as_bo.get(cancel).content.decode()
    assert "no invoice takes it" in said(as_bo.post(cancel, {"confirmed": "on"}))
    detail = as_bo.get(reverse("admin:billing_singleitem_change", args=[row.pk])).content.decode()
    assert "Cancelled" in detail
    assert cancel not in detail
