"""Twelve months with faults between us and two providers: no double charge, no lost payment, equal books."""

import pytest

from billing.models import Invoice
from config.workbench.fakepaddle.server import FakePaddle
from config.workbench.fakestripe.server import FakeStripe
from tests.faults.money_year import MONTHS, MoneyYear

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("tenants", "months"),
    [(3, 4), pytest.param(6, MONTHS, marks=pytest.mark.soak), pytest.param(200, MONTHS, marks=pytest.mark.soak)],
)
@pytest.mark.takes_long("it lives months of calls over HTTP, each with faults")
def test_months_with_faults_leave_no_double_charge_and_no_lost_payment(
    fake_stripe: FakeStripe, fake_paddle: FakePaddle, tenants: int, months: int
) -> None:
    year = MoneyYear(fake_stripe, fake_paddle, tenants)
    year.begin()
    year.live(months)

    assert len(fake_stripe.api.faults.drawn) >= 5, "faults of each kind were drawn"
    assert len(year.lost) > 0
    assert Invoice.objects.count() == tenants * (months + 1)
    assert year.wrongs() == []
    # The control: a charge that was made twice and a payment that never reached our books are seen.
    charge = fake_stripe.store.all("charge", status="succeeded")[0]
    fake_stripe.store.put("charge", {**charge, "id": fake_stripe.store.new_id("charge")})
    assert len(year.wrongs()) >= 3
