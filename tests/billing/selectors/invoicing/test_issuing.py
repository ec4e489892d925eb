from datetime import timedelta

import pytest

from billing.selectors.invoicing.computation import Unbillable, compute_invoices
from billing.selectors.invoicing.issuing import bears_tax, ready_to_issue, ways_to_own_currency
from billing.selectors.invoicing.states import states_at_due
from tests.billing.world import MARCH, set_issuer, subscribe_tenant

pytestmark = pytest.mark.django_db


def test_only_issued_invoices_are_checked() -> None:
    set_issuer(legal_name="Your company")
    computed = compute_invoices(states_at_due([subscribe_tenant()]))
    assert ready_to_issue(computed, as_of=MARCH, is_final=lambda _: False) == computed
    [refused] = ready_to_issue(computed, as_of=MARCH + timedelta(days=1))
    assert isinstance(refused, Unbillable)
    assert refused.code == "particulars_missing"
    assert ready_to_issue([refused], as_of=MARCH) == [refused]
    assert not any(bears_tax(invoice) for invoice in computed)
    assert ways_to_own_currency(computed, "BE", MARCH.date()) == {}
