"""A subscription and its first invoice, for tests of what the tables refuse."""

from collections.abc import Iterator

import pytest
from pytest_django.plugin import DjangoDbBlocker

from billing.models import (
    Invoice,
    PlanVersion,
    Subscription,
)
from tests.billing.models import rows
from tests.billing.models.rows import issued
from tests.billing.world import subscribe_tenant
from tests.shared_world import shared_world


@pytest.fixture(scope="module")
def sold(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Subscription]:
    yield from shared_world(django_db_blocker, subscribe_tenant)


@pytest.fixture
def subscription(sold: Subscription) -> Subscription:
    return Subscription.objects.select_related("tenant", "plan_version__plan").get(pk=sold.pk)


@pytest.fixture
def version(subscription: Subscription) -> PlanVersion:
    return subscription.plan_version


@pytest.fixture
def other() -> Subscription:
    """Create another tenant's subscription, on a plan of its own."""
    return subscribe_tenant("globex")


@pytest.fixture
def draft(subscription: Subscription) -> Invoice:
    return rows.draft(subscription)


@pytest.fixture
def finalized(draft: Invoice) -> Invoice:
    Invoice.objects.filter(pk=draft.pk).update(**issued())
    draft.refresh_from_db()
    return draft
