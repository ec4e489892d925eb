"""The report of a finished job, and the findings of a check."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference in the books.

    `subject` and `code` identify it among the findings of the same check. `is_holding` stops billing of the tenant
    until the difference is gone or accepted.
    """

    subject: str
    code: str
    detail: str
    tenant_id: UUID | None = None
    is_holding: bool = False


@dataclass(frozen=True, slots=True)
class Findings:
    """All that the check `found_by` found in what it checked: everything, or some tenants, or some subjects."""

    found_by: str
    found: Sequence[Finding] = ()
    tenant_ids: Collection[UUID] | None = None
    subjects: Collection[str] | None = None


@dataclass(frozen=True, slots=True)
class JobReport:
    """Counts and names for the admin. `needs_attention` turns the job's row amber. A check has `findings`."""

    summary: Mapping[str, object] = field(default_factory=dict)
    needs_attention: bool = False
    findings: Findings | None = None
