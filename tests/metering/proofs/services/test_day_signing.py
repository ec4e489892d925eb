"""Signed days: each in one tree, chained, without a gap, whatever is late, killed or started twice."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from metering.domain.canonical import event_key
from metering.domain.ledger import Ledger
from metering.proofs.domain.signatures import is_signed, sign
from metering.proofs.domain.statements import NOTHING_BEFORE
from metering.proofs.domain.trees import EMPTY_ROOT, hashes_in, leaf_hash, root_by_path, root_of
from metering.proofs.models import DayRoot, LeafBlock, ProofKey
from metering.proofs.selectors.leaves import leaves_of_events
from metering.proofs.selectors.proofs import proof_of_event
from metering.proofs.selectors.roots import statement_of
from metering.proofs.services import day_signing
from metering.proofs.services.day_signing import Signed, last_day_over, sign_days
from metering.services.voids import void_event
from tests.metering.proofs.proof_world import FIRST, days_of, noon, proven_tenant, sign_until, use

pytestmark = pytest.mark.django_db


@pytest.fixture
def ledger() -> Ledger:
    return proven_tenant()[1]


def leaf_of(ledger: Ledger, event_id: str) -> bytes:
    return leaves_of_events(ledger, [event_key("", event_id)])[0][2]


def leaves_on(ledger: Ledger, day: date) -> list[bytes]:
    blocks = LeafBlock.objects.filter(tenant_id=ledger.tenant_id, is_live=ledger.is_live, day=day).order_by("number")
    return [leaf for block in blocks for leaf in hashes_in(bytes(block.hashes))]


def test_each_day_is_signed_and_names_the_day_before(ledger: Ledger) -> None:
    use(ledger, "a", "b", at=noon())
    use(ledger, "c", at=noon(2))
    assert sign_until(2) == Signed(days=3, leaves=3, late=0)
    first, second, third = days_of(ledger)
    assert [(row.day, row.leaves) for row in (first, second, third)] == [
        (FIRST, 2), (date(2026, 3, 11), 0), (date(2026, 3, 12), 1),
    ]  # fmt: skip
    assert bytes(first.root) == root_of(sorted([leaf_of(ledger, "a"), leaf_of(ledger, "b")]))
    assert bytes(second.root) == EMPTY_ROOT
    assert bytes(first.previous) == NOTHING_BEFORE
    assert bytes(second.previous) == statement_of(first).digest
    assert bytes(third.previous) == statement_of(second).digest
    public = bytes(ProofKey.objects.get().public_key)
    assert all(is_signed(public, statement_of(row).text, bytes(row.signature)) for row in (first, second, third))
    assert sign_until(2) == Signed()


def test_a_day_is_not_signed_before_it_has_been_over_for_a_quarter_of_an_hour(ledger: Ledger) -> None:
    use(ledger, "a", at=noon())
    midnight = datetime(2026, 3, 11, tzinfo=UTC)
    assert sign_days(as_of=midnight + timedelta(minutes=14)) == Signed()
    assert last_day_over(midnight + timedelta(minutes=15)) == FIRST
    assert sign_days(as_of=midnight + timedelta(minutes=15)).days == 1


def test_an_event_that_is_committed_after_its_day_was_closed_is_in_the_next_tree(ledger: Ledger) -> None:
    last_moment = noon() + timedelta(hours=11, minutes=59, seconds=59, milliseconds=999)
    use(ledger, "in time", at=noon())
    sign_until(0)
    use(ledger, "held in an open transaction", at=last_moment)
    use(ledger, "of the next day", at=noon(1))
    sign_until(2)
    assert [(row.leaves, row.late) for row in days_of(ledger)] == [(1, 0), (2, 1), (0, 0)]
    proof, _ = proof_of_event(ledger, event_id="held in an open transaction")
    assert proof.inclusion.row.day == date(2026, 3, 11)


def test_halves_and_tenants_have_trees_of_their_own(ledger: Ledger) -> None:
    other = proven_tenant("globex")[1]
    test_half = Ledger(ledger.tenant_id, is_live=False, time_zone="UTC", backfill_days=35)
    for one in (ledger, other, test_half):
        use(one, "same", at=noon())
    assert sign_until(0).days == 3
    assert {row.leaves for row in DayRoot.objects.all()} == {1}


def test_voids_are_leaves_of_the_day_on_which_they_were_made(ledger: Ledger) -> None:
    use(ledger, "a", at=noon())
    void_event(ledger=ledger, event_id="a", reason="Sent twice", voided_by="Alice", as_of=noon(1))
    sign_until(1)
    proof, void = proof_of_event(ledger, event_id="a")
    assert void is not None
    assert (proof.inclusion.row.day, void.inclusion.row.day) == (FIRST, date(2026, 3, 11))
    assert void.leaf == leaf_hash(void.content.encode())
    assert "Alice" not in void.content  # a person is erased from voids, and the tree must stay valid


def test_a_tree_of_several_blocks_proves_each_leaf(ledger: Ledger) -> None:
    use(ledger, *(f"e{number}" for number in range(2050)), at=noon())
    sign_until(0)
    [row] = days_of(ledger)
    leaves = leaves_on(ledger, FIRST)
    assert leaves == sorted(leaves)
    assert (len(leaves), bytes(row.root)) == (2050, root_of(leaves))
    assert len(hashes_in(bytes(row.block_roots))) == 3
    for event_id in ("e0", "e7", "e2049"):
        proof, _ = proof_of_event(ledger, event_id=event_id)
        path = {"index": proof.inclusion.index, "leaves": 2050, "path": proof.inclusion.path}
        assert root_by_path(proof.leaf, **path) == bytes(row.root)


def test_blocks_are_read_some_at_a_time(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(day_signing, "BLOCKS_PER_READ", 1)
    use(ledger, *(f"e{number}" for number in range(1030)), at=noon())
    sign_until(0)
    assert bytes(days_of(ledger)[0].root) == root_of(leaves_on(ledger, FIRST))


def test_a_run_that_is_killed_leaves_whole_days_and_the_next_one_continues(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in range(4):
        use(ledger, f"e{day}", at=noon(day))
    calls = []

    def killed(private: bytes, text: bytes) -> bytes:
        calls.append(text)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return sign(private, text)

    with monkeypatch.context() as patch:
        patch.setattr(day_signing, "sign", killed)
        with pytest.raises(KeyboardInterrupt):
            sign_until(3)
    assert len(days_of(ledger)) == 2
    assert LeafBlock.objects.count() == 2  # nothing of the day that was under way
    assert sign_until(3).days == 2
    rows = days_of(ledger)
    assert [bytes(row.previous) for row in rows[1:]] == [statement_of(row).digest for row in rows[:-1]]


def test_days_that_another_worker_signed_meanwhile_are_left_out(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(ledger, "a", at=noon())
    seen: Any = day_signing.next_days([(ledger.tenant_id, True)], FIRST)
    sign_until(0)
    monkeypatch.setattr(day_signing, "next_days", lambda *_: seen)
    assert sign_until(0) == Signed()


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ("'2026-03-10', 0, 0, '\\x03'", "day_root_once"),
        ("'2026-03-11', 0, 0, previous", "day_root_chain_never_forks"),
        ("'2026-03-11', 0, 1, '\\x03'", "day_root_late_leaves_are_leaves"),
    ],
)
def test_a_chain_has_one_root_a_day_and_never_forks(ledger: Ledger, values: str, constraint: str) -> None:
    use(ledger, "a", at=noon())
    sign_until(0)
    columns = "tenant_id, is_live, root, block_roots, key_id, signature, signed_at"
    with connection.cursor() as cursor, pytest.raises(Exception, match=constraint):
        cursor.execute(
            f"INSERT INTO proofs_dayroot ({columns}, day, leaves, late, previous)"
            f" SELECT {columns}, {values} FROM proofs_dayroot"
        )


def test_a_block_of_a_day_is_stored_once(ledger: Ledger) -> None:
    use(ledger, "a", at=noon())
    sign_until(0)
    with connection.cursor() as cursor, pytest.raises(Exception, match="leaf_block_once"):
        cursor.execute(
            "INSERT INTO proofs_leafblock (tenant_id, is_live, day, number, hashes)"
            " SELECT tenant_id, is_live, day, number, hashes FROM proofs_leafblock"
        )
