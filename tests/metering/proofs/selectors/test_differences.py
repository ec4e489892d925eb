"""What a signed day has that the ledger has no more, and the other way round."""

from datetime import timedelta

import pytest
from django.db import connection

from metering.proofs.selectors.differences import differences_between, rows_outside
from tests.metering.proofs.proof_world import FIRST, noon, proven_tenant, sign_until, use

pytestmark = [pytest.mark.django_db, pytest.mark.as_owner]


def test_each_differing_day_counts_what_is_gone_and_what_is_new_and_the_others_are_not_listed() -> None:
    _, ledger = proven_tenant()
    for day in range(4):
        use(ledger, f"e{day}", at=noon(day))
    sign_until(3)
    last = FIRST + timedelta(days=3)
    assert differences_between(ledger, FIRST, last) == []
    with connection.cursor() as cursor:
        cursor.execute("UPDATE event SET quantity = 2 WHERE id = 'e1'")
        cursor.execute("DELETE FROM event WHERE id = 'e2'")
    found = [(one.day - FIRST, one.gone, one.added, one.example) for one in differences_between(ledger, FIRST, last)]
    assert found == [(timedelta(days=1), 1, 1, "e1"), (timedelta(days=2), 1, 0, None)]


def test_rows_before_the_first_day_and_after_now_are_counted() -> None:
    _, ledger = proven_tenant()
    for day in range(3):
        use(ledger, f"e{day}", at=noon(day))
    assert rows_outside(ledger, FIRST, noon(9)) == 0
    assert rows_outside(ledger, FIRST + timedelta(days=1), noon(2, hours=-1)) == 2
