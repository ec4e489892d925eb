"""The statuses of an export."""

from enum import StrEnum
from typing import Final


class ExportStatus(StrEnum):
    """An export that was interrupted stays `running` until another worker takes it over."""

    QUEUED = "queued"
    RUNNING = "running"
    READY = "ready"
    FAILED = "failed"
    EXPIRED = "expired"


OPEN_STATUSES: Final = frozenset({ExportStatus.QUEUED, ExportStatus.RUNNING})
EXPORT_TRANSITIONS: Final[dict[ExportStatus, frozenset[ExportStatus]]] = {
    ExportStatus.QUEUED: frozenset({ExportStatus.RUNNING}),
    ExportStatus.RUNNING: frozenset(
        {ExportStatus.RUNNING, ExportStatus.QUEUED, ExportStatus.READY, ExportStatus.FAILED}
    ),
    ExportStatus.READY: frozenset({ExportStatus.EXPIRED}),
    ExportStatus.FAILED: frozenset({ExportStatus.EXPIRED}),
    ExportStatus.EXPIRED: frozenset(),
}


def statuses_before(status: ExportStatus) -> frozenset[ExportStatus]:
    """Return the statuses from which an export may come to `status`."""
    return frozenset(before for before, after in EXPORT_TRANSITIONS.items() if status in after)
