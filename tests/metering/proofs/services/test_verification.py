"""Tampering is found, and the first day that breaks is named: also what the tables' owner does without triggers."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection

from metering.domain.ledger import Ledger
from metering.proofs.services.verification import verify_ledgers
from metering.services.voids import void_event
from tests.metering.proofs.proof_world import FIRST, days_of, noon, proven_tenant, sign_until, use

pytestmark = [pytest.mark.django_db, pytest.mark.as_owner]
MADE_UP = """
INSERT INTO event SELECT tenant_id, is_live, occurred_at + interval '1 second', decode(md5('x'), 'hex'), 'made up',
    source, type, quantity, subject, api_key_id, properties, received_at FROM event WHERE id = 'e1'
"""
IN_THE_LEDGER = [
    ("UPDATE event SET quantity = 2 WHERE id = 'e1'", 1, "changed"),
    ("UPDATE event SET properties = '{\"a\": 1}' WHERE id = 'e1'", 1, "changed"),
    ("UPDATE event SET occurred_at = occurred_at - interval '1 hour' WHERE id = 'e1'", 1, "changed"),
    ("UPDATE event SET received_at = received_at + interval '1 day' WHERE id = 'e0'", 0, "re-dated"),
    ("UPDATE event SET received_at = received_at - interval '1 year' WHERE id = 'e2'", 0, "when none was signed"),
    ("UPDATE event SET received_at = '2031-01-01' WHERE id = 'e2'", 0, "when none was signed"),
    ("DELETE FROM event WHERE id = 'e1'", 1, "removed"),
    ("DELETE FROM event_void", 2, "removed"),
    ("UPDATE event_void SET reason = 'Other'", 2, "changed"),
    (MADE_UP, 1, "inserted or re-dated, such as made up"),
]
IN_THE_TREES = [
    ("UPDATE proofs_leafblock SET hashes = decode(repeat('00', 32), 'hex') WHERE day = '2026-03-11'", 1, "signed root"),
    ("DELETE FROM proofs_leafblock WHERE day = '2026-03-11'", 1, "signed root"),
    ("UPDATE proofs_dayroot SET leaves = 7 WHERE day = '2026-03-11'", 1, "signature"),
    ("DELETE FROM proofs_dayroot WHERE day = '2026-03-11'", 1, "a signed day is missing"),
    ("UPDATE proofs_dayroot SET previous = decode(repeat('01', 32), 'hex') WHERE day = '2026-03-11'", 1, "chain"),
    ("UPDATE proofs_proofkey SET public_key = decode(repeat('01', 32), 'hex')", 0, "is not ours"),
]


@pytest.fixture
def ledger() -> Ledger:
    _, ledger = proven_tenant()
    for day in range(4):
        use(ledger, f"e{day}", at=noon(day))
    void_event(ledger=ledger, event_id="e2", reason="Sent twice", voided_by="Alice", as_of=noon(2, hours=1))
    sign_until(3)
    return ledger


@pytest.fixture
def tamper() -> Callable[[str], None]:
    """Run a statement as the owner, who turns triggers and row-level security off first."""

    def run(statement: str) -> None:
        with connection.cursor() as cursor:
            for table in ("proofs_dayroot", "proofs_leafblock", "proofs_proofkey"):
                cursor.execute(f"SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE {table} DISABLE TRIGGER USER")
            cursor.execute(statement)
            assert cursor.rowcount, "the statement changes something"

    return run


def test_an_honest_ledger_is_verified(ledger: Ledger) -> None:
    use(ledger, "today", at=noon(4))
    use(ledger, "late", at=noon(3, hours=5))  # waits for the next tree
    found = verify_ledgers(ledgers=[ledger, proven_tenant("empty")[1]], as_of=noon(4))
    assert (found.ledgers, found.days, found.leaves, found.breaks) == (1, 4, 5, ())
    sign_until(5)
    assert verify_ledgers(ledgers=[ledger], as_of=noon(7)).breaks == ()


@pytest.mark.parametrize(("statement", "day", "told"), [*IN_THE_LEDGER, *IN_THE_TREES])
def test_tampering_is_found_with_the_first_day_that_breaks(
    ledger: Ledger, tamper: Callable[[str], None], statement: str, day: int, told: str
) -> None:
    tamper(statement)
    breaks = verify_ledgers(ledgers=[ledger], as_of=noon(5)).breaks
    assert breaks[0].day == FIRST + timedelta(days=day)
    assert any(told in one.detail for one in breaks), [str(one) for one in breaks]
    assert len(days_of(ledger)) in {3, 4}
