"""Places of many leaves: over several blocks of a day, each read once, and the same as one by one."""

import pytest

from metering.proofs.domain.trees import hashes_in
from metering.proofs.models import LeafBlock
from metering.proofs.selectors import places
from metering.proofs.selectors.counted import CountedLeaf
from metering.proofs.selectors.places import places_of
from metering.proofs.selectors.roots import days_between, inclusion_of
from metering.proofs.services import day_signing
from tests.metering.proofs.proof_world import FIRST, noon, proven_tenant, sign_until, use

pytestmark = pytest.mark.django_db


def test_each_leaf_has_the_place_that_it_has_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (places, day_signing):
        monkeypatch.setattr(module, "BLOCK_LEAVES", 8)
    monkeypatch.setattr("metering.proofs.selectors.roots.BLOCK_LEAVES", 8)
    statement = day_signing.STORE_BLOCKS.replace("1024", "8")
    monkeypatch.setattr(day_signing, "STORE_BLOCKS", statement)
    _, ledger = proven_tenant()
    use(ledger, *(f"e{number}" for number in range(29)), at=noon())
    sign_until(1)
    blocks = LeafBlock.objects.order_by("number")
    hashes = [leaf for block in blocks for leaf in hashes_in(bytes(block.hashes))]
    assert len(blocks) == 4
    days = {row.day: row for row in days_between(ledger, FIRST, FIRST)}
    wanted = [CountedLeaf(FIRST, leaf, (1,), None) for leaf in (*hashes[::3], b"\xff" * 32)]
    found = [place for _, place in places_of(ledger, wanted, days)]
    assert found[-1] is None
    for one, place in zip(wanted[:-1], found, strict=False):
        alone = inclusion_of(ledger, one.leaf, [FIRST])
        assert place is not None
        assert alone is not None
        assert (place.index, place.path) == (alone.index, alone.path)


def test_a_leaf_of_a_day_without_a_root_has_no_place() -> None:
    _, ledger = proven_tenant()
    assert [place for _, place in places_of(ledger, [CountedLeaf(FIRST, bytes(32), (1,), None)], {})] == [None]
