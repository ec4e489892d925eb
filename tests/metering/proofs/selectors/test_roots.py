"""Where leaves are, and what the chain says."""

import pytest

from metering.proofs.selectors.roots import body_of, chain_of, inclusion_of, root_of_day, statement_of
from tests.metering.proofs.proof_world import FIRST, days_of, noon, proven_tenant, sign_until, use

pytestmark = pytest.mark.django_db


def test_a_chain_ends_with_the_day_that_is_asked_for() -> None:
    _, ledger = proven_tenant()
    use(ledger, "a", at=noon())
    sign_until(2)
    assert [row.day for row in chain_of(ledger, until=FIRST)] == [FIRST]
    assert list(chain_of(ledger)) == days_of(ledger)


def test_a_leaf_that_no_tree_has_is_nowhere() -> None:
    _, ledger = proven_tenant()
    use(ledger, "a", at=noon())
    sign_until(0)
    for leaf in (bytes(32), b"\xff" * 32):
        assert inclusion_of(ledger, leaf, [FIRST]) is None
    assert inclusion_of(ledger, bytes(32), []) is None


def test_a_body_has_what_was_signed() -> None:
    _, ledger = proven_tenant()
    use(ledger, "a", at=noon())
    sign_until(0)
    row = root_of_day(ledger, FIRST)
    lines = statement_of(row).text.decode().splitlines()[1:]
    body = body_of(row)
    del body["signature"]
    assert [f"{name} {value}" for name, value in body.items()] == lines
