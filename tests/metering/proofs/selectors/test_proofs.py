"""What a tenant is told of an event that is not proven."""

import pytest

from accounts.errors import NotFoundError
from metering.proofs.errors import DayNotSignedError, NotProvenYetError
from metering.proofs.selectors.proofs import proof_of_day, proof_of_event
from metering.services.voids import void_event
from tests.metering.proofs.proof_world import FIRST, noon, proven_tenant, sign_until, use

pytestmark = pytest.mark.django_db


def test_an_unknown_event_a_young_one_and_an_unsigned_day_are_told_apart() -> None:
    _, ledger = proven_tenant()
    with pytest.raises(NotFoundError, match="no event with this id"):
        proof_of_event(ledger, event_id="a")
    use(ledger, "a", at=noon())
    with pytest.raises(NotProvenYetError):
        proof_of_event(ledger, event_id="a")
    with pytest.raises(DayNotSignedError):
        proof_of_day(ledger, FIRST)


def test_a_void_that_is_not_signed_yet_is_left_out() -> None:
    _, ledger = proven_tenant()
    use(ledger, "a", at=noon())
    sign_until(0)
    void_event(ledger=ledger, event_id="a", reason="Sent twice", voided_by="Alice", as_of=noon(1))
    assert proof_of_event(ledger, event_id="a")[1] is None
