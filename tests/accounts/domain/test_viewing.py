from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from accounts.domain.roles import Role
from accounts.domain.viewing import Viewing

BEGAN_AT = datetime(2026, 11, 29, 10, 0, 0, 5, tzinfo=UTC)
VIEWING = Viewing(
    id=UUID(int=1),
    tenant_id=UUID(int=2),
    membership_id=3,
    member_label="alice@acme.example",
    role=Role.DEVELOPER,
    staff_id=4,
    staff_label="kim@example.org",
    reason="Ticket 4711",
    began_at=BEGAN_AT,
    ends_at=BEGAN_AT + timedelta(minutes=30),
)


def test_a_session_stores_a_viewing_whole() -> None:
    assert Viewing.from_facts(VIEWING.as_facts()) == VIEWING


@pytest.mark.parametrize(
    ("after", "lasted"),
    [
        (timedelta(seconds=59), "0 min 59 s"),
        (timedelta(minutes=12, seconds=34), "12 min 34 s"),
        (timedelta(hours=9), "30 min 0 s"),
        (timedelta(seconds=-1), "0 min 0 s"),
    ],
)
def test_a_viewing_lasts_no_longer_than_allowed(after: timedelta, lasted: str) -> None:
    assert VIEWING.lasted_until(BEGAN_AT + after) == lasted
