"""Receipts are read back from the ledger."""

import pytest

from metering.proofs.services.receipts import issue_receipt
from tests.metering.ledger_world import parsed
from tests.metering.proofs.proof_world import FIRST, noon, proven_tenant, use

pytestmark = pytest.mark.django_db


def test_a_receipt_names_what_the_ledger_has_in_the_order_of_the_call() -> None:
    _, ledger = proven_tenant()
    use(ledger, "a", "b", at=noon())
    events = parsed([{"id": name, "type": "proven_call"} for name in ("b", "never stored", "a")], as_of=noon())
    receipt = issue_receipt(ledger=ledger, events=events, as_of=noon())
    assert [event.id for event in receipt.events] == ["b", "a"]
    assert [day for day, _ in receipt.statement.leaves] == [FIRST, FIRST]
