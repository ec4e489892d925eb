"""The retention horizon before any month was deleted, and for ledgers that are younger than the deleted months."""

from datetime import UTC, date, datetime

import pytest

from metering.domain.ledger import Ledger
from metering.selectors.retention import (
    EVERYTHING,
    deleted_before,
    kept_since,
    months_with_partitions,
    nothing_changes_before,
    sealed_usage_of,
    seam_of,
)
from metering.services.partitions import ensure_partitions_of
from tests.metering.retention_world import MARCH, THIRD_NIGHT, let_go

pytestmark = pytest.mark.django_db


def test_before_any_month_was_deleted_there_is_no_horizon(ledger: Ledger) -> None:
    assert (kept_since(), deleted_before(), nothing_changes_before()) == (None, None, None)
    assert seam_of(ledger) is EVERYTHING
    assert sealed_usage_of([]) == {}


def test_a_deleted_month_moves_every_horizon(ledger: Ledger, other_ledger: Ledger) -> None:
    ensure_partitions_of(days=[MARCH])
    assert MARCH in months_with_partitions()
    let_go([ledger])
    april = datetime(2026, 4, 1, tzinfo=UTC)
    assert (kept_since(), deleted_before()) == (april, (april, THIRD_NIGHT))
    assert nothing_changes_before() == datetime(2026, 4, 4, tzinfo=UTC)
    assert seam_of(ledger).days_from == date(2026, 4, 2)
    assert seam_of(other_ledger) is EVERYTHING, "it is younger, and nothing of it is sealed"
