"""Staff choose the provider that a tenant pays through, and with it who sells."""

import pytest
from pytest_django import Settings

from accounts.errors import InvalidFieldsError
from accounts.models import AuditEntry
from billing.collection.models import ProviderChoice
from billing.collection.selectors.providers import merchant_for, provider_title_for
from billing.collection.services.choosing import choose_provider
from billing.errors import SubscriptionExistsError
from billing.models import BillingProfile
from config.workbench.fakepaddle.server import FakePaddle
from tests.billing.collection.paddle_world import subscribed
from tests.billing.collection.stripe_world import make_buyer, now
from tests.billing.world import STAFF
from tests.fakestripe.fixture import SECRET_KEY

pytestmark = pytest.mark.django_db


def choose(tenant: object, provider: str) -> None:
    choose_provider(tenant=tenant, provider=provider, actor=STAFF, as_of=now())


def test_the_chosen_provider_comes_before_the_preferred_one_and_says_who_sells(
    fake_paddle: FakePaddle, settings: Settings
) -> None:
    settings.STRIPE_SECRET_KEY = SECRET_KEY
    tenant = make_buyer()
    assert (provider_title_for(tenant.pk), merchant_for(tenant.pk)) == ("Stripe", "")
    choose(tenant, "paddle")
    choose(tenant, "paddle")
    assert (provider_title_for(tenant.pk), merchant_for(tenant.pk)) == ("Paddle", "Paddle")
    assert BillingProfile.objects.get().merchant_of_record == "Paddle"
    choose(tenant, "")
    assert (provider_title_for(tenant.pk), BillingProfile.objects.get().merchant_of_record) == ("Stripe", "")
    assert not ProviderChoice.objects.exists()
    entries = AuditEntry.objects.filter(action="tenant.provider_chosen").order_by("pk")
    assert [entry.after["provider"] for entry in entries] == ["paddle", ""]


def test_a_provider_that_is_not_set_up_is_refused(settings: Settings) -> None:
    settings.PADDLE_API_KEY = ""
    with pytest.raises(InvalidFieldsError, match="not set up"):
        choose(make_buyer(), "paddle")


def test_a_tenant_that_agreed_to_be_charged_keeps_its_provider(fake_paddle: FakePaddle) -> None:
    tenant = subscribed(fake_paddle).tenant
    with pytest.raises(SubscriptionExistsError):
        choose(tenant, "")
    assert ProviderChoice.objects.get().provider == "paddle"
