"""A demo that is started again puts nothing into days that were signed meanwhile."""

import pytest

from config.workbench.demo.receipt import receipt_times
from metering.proofs.services.verification import verify_ledgers
from tests.metering.proofs.proof_world import noon, proven_tenant, sign_until, use

pytestmark = pytest.mark.django_db


def test_what_happened_on_a_signed_day_is_received_now_and_breaks_nothing() -> None:
    tenant, ledger = proven_tenant()
    assert receipt_times(tenant, as_of=noon(5))(noon(1)) == noon(1)
    use(ledger, "first", at=noon())
    sign_until(2)
    receipt_of = receipt_times(tenant, as_of=noon(5))
    assert (receipt_of(noon(1)), receipt_of(noon(3))) == (noon(5), noon(3))
    use(ledger, "later", at=receipt_of(noon(1)))
    sign_until(5)
    assert verify_ledgers(ledgers=[ledger], as_of=noon(7)).breaks == ()


def test_control_a_receipt_on_a_signed_day_is_a_break() -> None:
    _, ledger = proven_tenant()
    use(ledger, "first", at=noon())
    sign_until(2)
    use(ledger, "later", at=noon(1))
    assert verify_ledgers(ledgers=[ledger], as_of=noon(7)).breaks
