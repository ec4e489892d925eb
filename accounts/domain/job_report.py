"""What a job has to say when it is done, and what a check found."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in the books that does not agree.

    `subject` and `code` tell it apart from others of the same check. `is_holding` stops billing of the tenant until it
    is gone or accepted.
    """

    subject: str
    code: str
    detail: str
    tenant_id: UUID | None = None
    is_holding: bool = False


@dataclass(frozen=True, slots=True)
class Findings:
    """All that the check `found_by` found in what it looked at: everything, or some tenants, or some subjects."""

    found_by: str
    found: Sequence[Finding] = ()
    tenant_ids: Collection[UUID] | None = None
    subjects: Collection[str] | None = None


@dataclass(frozen=True, slots=True)
class JobReport:
    """Counts and names for the admin; `needs_attention` turns the job's row amber. A check has `findings`."""

    summary: Mapping[str, object] = field(default_factory=dict)
    needs_attention: bool = False
    findings: Findings | None = None
