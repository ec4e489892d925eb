"""The statuses of an export."""

from accounts.exports.domain.statuses import EXPORT_TRANSITIONS, OPEN_STATUSES, ExportStatus, statuses_before


def test_every_export_status_has_its_row_and_no_end_is_left_again() -> None:
    assert EXPORT_TRANSITIONS.keys() == set(ExportStatus)
    assert not EXPORT_TRANSITIONS[ExportStatus.EXPIRED]
    assert statuses_before(ExportStatus.EXPIRED) == {ExportStatus.READY, ExportStatus.FAILED}
    assert statuses_before(ExportStatus.READY) == {ExportStatus.RUNNING}
    assert {ExportStatus.QUEUED, ExportStatus.RUNNING} == OPEN_STATUSES
