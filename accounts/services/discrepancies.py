"""Discrepancies in the books: opened once, refreshed while they last, closed when gone, accepted by staff."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from django.db import transaction

from accounts.domain.actor import Actor
from accounts.domain.job_report import Finding, Findings
from accounts.errors import ConflictError
from accounts.models import Discrepancy
from accounts.services.audit import AuditTarget, record_audit
from accounts.sql import as_json, fetch_all

DETAILS_MAX: Final = 5
SUBJECT_CHARACTERS_MAX: Final = 200

OPEN_OR_REFRESH = """
INSERT INTO accounts_discrepancy AS d (found_by, subject, code, detail, tenant_id, is_holding, opened_at, seen_at,
    accepted_by, acceptance)
SELECT %(found_by)s, f.subject, f.code, f.detail, f.tenant_id, f.is_holding, %(as_of)s, %(as_of)s, '', ''
FROM jsonb_to_recordset(%(found)s::jsonb) AS f(subject text, code text, detail text, tenant_id uuid, is_holding boolean)
ORDER BY f.subject, f.code
ON CONFLICT (found_by, subject, code) WHERE closed_at IS NULL DO UPDATE SET
    seen_at = greatest(d.seen_at, excluded.seen_at), detail = excluded.detail, is_holding = excluded.is_holding,
    accepted_at = CASE WHEN d.detail = excluded.detail THEN d.accepted_at END
RETURNING d.id
"""

CLOSE_OTHERS = """
UPDATE accounts_discrepancy AS d SET closed_at = %(as_of)s
WHERE d.found_by = %(found_by)s AND d.closed_at IS NULL AND d.id <> ALL(%(standing)s::bigint[])
    AND (%(tenant_ids)s::uuid[] IS NULL OR d.tenant_id = ANY(%(tenant_ids)s::uuid[]))
    AND (%(subjects)s::text[] IS NULL OR d.subject = ANY(%(subjects)s::text[]))
RETURNING d.id
"""


@transaction.atomic
def record_findings(*, findings: Findings, as_of: datetime) -> None:
    """Open what is new, refresh what is still found, and close what the check no longer found."""
    found = [
        {
            "subject": finding.subject,
            "code": finding.code,
            "detail": finding.detail,
            "tenant_id": finding.tenant_id,
            "is_holding": finding.is_holding,
        }
        for finding in _merged(findings.found)
    ]
    parameters = {"found_by": findings.found_by, "found": as_json(found), "as_of": as_of}
    standing = [row_id for (row_id,) in fetch_all(OPEN_OR_REFRESH, parameters)] if found else []
    scope = {
        "standing": standing,
        "tenant_ids": None if findings.tenant_ids is None else list(findings.tenant_ids),
        "subjects": None if findings.subjects is None else list(findings.subjects),
    }
    fetch_all(CLOSE_OTHERS, {"found_by": findings.found_by, "as_of": as_of, **scope})


@transaction.atomic
def accept_discrepancy(*, discrepancy: Discrepancy, reason: str, actor: Actor, as_of: datetime) -> None:
    """Accept a discrepancy as it was seen: billing continues, and it opens again if it changes.

    Raises `ConflictError` if it has changed meanwhile, or is gone.
    """
    waiting = Discrepancy.objects.open().filter(pk=discrepancy.pk, detail=discrepancy.detail)
    reason = reason[:200]
    if waiting.update(accepted_at=as_of, accepted_by=actor.label, acceptance=reason) != 1:
        raise ConflictError("This was changed after you opened the page. Reload the page and try again.")
    record_audit(
        actor=actor,
        action="discrepancy.accepted",
        tenant_id=discrepancy.tenant_id,
        target=AuditTarget("discrepancy", discrepancy.pk, str(discrepancy)),
        after={"detail": discrepancy.detail, "reason": reason},
        as_of=as_of,
    )


def _merged(found: Sequence[Finding]) -> list[Finding]:
    """Return one finding for each subject and code, with the first details of all of them."""
    together: dict[tuple[str, str], list[Finding]] = {}
    for finding in found:
        together.setdefault((finding.subject[:SUBJECT_CHARACTERS_MAX], finding.code), []).append(finding)
    merged = []
    for (subject, code), same in together.items():
        details = [finding.detail for finding in same[:DETAILS_MAX]]
        if len(same) > DETAILS_MAX:
            details.append(f"And {len(same) - DETAILS_MAX} more.")
        is_holding = any(finding.is_holding for finding in same)
        merged.append(Finding(subject, code, "\n".join(details), same[0].tenant_id, is_holding))
    return merged
