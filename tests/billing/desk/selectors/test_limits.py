"""The limit is in the seller's currency; amounts in others are converted, or need a colleague."""

from datetime import timedelta
from decimal import Decimal

import pytest

from billing.desk.selectors.limits import needs_approval
from tests.billing.world import MARCH, know_exchange_rates, set_issuer

pytestmark = pytest.mark.django_db


def test_the_limit_is_the_sellers() -> None:
    assert not needs_approval(10**11, "EUR", as_of=MARCH)
    set_issuer(country="BE", approval_above=Decimal(100))
    assert not needs_approval(10_000, "EUR", as_of=MARCH)
    assert needs_approval(10_001, "EUR", as_of=MARCH)
    assert needs_approval(1, "USD", as_of=MARCH), "no rate is known"
    know_exchange_rates("USD", first=MARCH.date(), last=MARCH.date() + timedelta(days=1))
    assert not needs_approval(12_500, "USD", as_of=MARCH)
    assert needs_approval(12_501, "USD", as_of=MARCH)
