"""UUIDs of version 7."""

from datetime import UTC, datetime, timedelta
from uuid import RFC_4122

from hypothesis import given
from hypothesis import strategies as st

from accounts.domain.identifiers import uuid7

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
INSTANTS = st.timedeltas(timedelta(0), timedelta(days=365 * 8000)).map(lambda passed: EPOCH + passed)


@given(as_of=INSTANTS)
def test_it_is_a_uuid_of_version_7_that_carries_its_millisecond(as_of: datetime) -> None:
    identifier = uuid7(as_of)
    assert identifier.version == 7
    assert identifier.variant == RFC_4122
    assert identifier.int >> 80 == (as_of - EPOCH) // timedelta(milliseconds=1)


@given(as_of=INSTANTS)
def test_a_later_microsecond_sorts_later(as_of: datetime) -> None:
    assert uuid7(as_of) < uuid7(as_of + timedelta(microseconds=1))


def test_identifiers_of_one_instant_differ() -> None:
    assert len({uuid7(datetime(2026, 11, 21, tzinfo=UTC)) for _ in range(1000)}) == 1000
