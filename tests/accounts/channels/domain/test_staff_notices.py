"""The kinds of notices to staff."""

from accounts.channels.domain.staff_notices import STAFF_LABELS, URGENT, StaffNoticeKind


def test_every_kind_has_a_name_and_some_are_urgent() -> None:
    assert STAFF_LABELS.keys() == set(StaffNoticeKind)
    assert set(StaffNoticeKind) > URGENT
