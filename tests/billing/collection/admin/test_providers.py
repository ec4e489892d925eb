"""What payment providers know of our customers: lists of their own, and rows on the pages of tenants and invoices."""

import pytest
from django.test import Client

from billing.collection.models import ProviderAgreement, ProviderChoice, ProviderCustomer, ProviderInvoice
from config.workbench.fakepaddle.server import FakePaddle
from tests.billing.admin.desk import act, issued, listed, page
from tests.billing.collection.models import rows

pytestmark = pytest.mark.django_db


def test_a_providers_rows_are_shown_on_the_pages_they_belong_to_and_found_by_id(as_pat: Client) -> None:
    invoice = issued()
    subscription = invoice.subscription
    for obj in (invoice, subscription, invoice.tenant):
        assert "t payment providers" not in as_pat.get(page(obj)).content.decode()
        assert "at the payment provider" not in as_pat.get(page(obj)).content.decode().lower()
    rows.customer(subscription, card_label="Visa ending in 4242")
    rows.agreement(subscription)
    rows.collecting(invoice, payment_url="https://pay.example/1")

    assert "cus_1" in as_pat.get(page(invoice.tenant)).content.decode()
    assert "sub_1" in as_pat.get(page(subscription)).content.decode()
    assert "https://pay.example/1" in as_pat.get(page(invoice)).content.decode()
    for model, reference in ((ProviderCustomer, "cus_1"), (ProviderAgreement, "sub_1"), (ProviderInvoice, "in_1")):
        [row] = as_pat.get(listed(model), {"q": reference}).context["cl"].result_list
        assert "Stripe" in as_pat.get(page(row)).content.decode()
        assert not as_pat.get(listed(model), {"q": "other"}).context["cl"].result_list


def test_staff_choose_who_a_tenant_pays(as_bo: Client, as_pat: Client, fake_paddle: FakePaddle) -> None:
    tenant = issued().tenant
    asked = as_bo.get(page(tenant, "payment_provider")).content.decode()
    assert "usage statements" in asked
    assert "Paddle" in asked
    assert "pays through Paddle" in act(as_bo, tenant, "payment_provider", provider="paddle")
    assert ProviderChoice.objects.get(tenant=tenant).provider == "paddle"
    assert as_bo.post(page(tenant, "payment_provider"), {"provider": "nobody"}).status_code in {200, 422}
    assert as_pat.post(page(tenant, "payment_provider")).status_code == 403
