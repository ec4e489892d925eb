"""Two plans, and a subscription to the smaller one."""

import pytest

from billing.models import PlanVersion, Subscription
from tests.billing.services.subscriptions.lives import fresh
from tests.billing.world import first_invoice, make_plan, subscribe_tenant


@pytest.fixture
def pro() -> PlanVersion:
    return make_plan("pro", fee={"EUR": "49", "USD": "55"})


@pytest.fixture
def team(pro: PlanVersion) -> PlanVersion:
    return make_plan("team", fee="199")


@pytest.fixture
def subscription(pro: PlanVersion) -> Subscription:
    """Subscribe to Pro since 1 March, with the first fee invoiced."""
    made = subscribe_tenant(plan=pro)
    first_invoice(made)
    return fresh(made)
