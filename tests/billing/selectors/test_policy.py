"""The seller's decisions for all subscriptions."""

import pytest

from billing.domain.proration import FeeRefund
from billing.selectors.policy import fee_refund, may_shrink_now
from tests.billing.world import set_issuer

pytestmark = pytest.mark.django_db


def test_fees_are_given_back_by_the_day_and_smaller_plans_wait_unless_the_seller_decides_otherwise() -> None:
    assert (fee_refund(), may_shrink_now()) == (FeeRefund.BY_DAY, False)
    set_issuer(fee_refund="none", lets_customers_shrink_now=True)
    assert (fee_refund(), may_shrink_now()) == (FeeRefund.NONE, True)
