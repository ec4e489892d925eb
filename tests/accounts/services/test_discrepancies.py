"""Findings of checks: one row while one persists, closed when a check misses it, accepted by staff with a reason."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from accounts.domain.actor import Actor
from accounts.domain.job_report import Finding, Findings
from accounts.errors import ConflictError
from accounts.models import AuditEntry, Discrepancy
from accounts.services.discrepancies import accept_discrepancy, record_findings
from tests.metering.ledger_world import make_tenant

pytestmark = pytest.mark.django_db

NIGHT = datetime(2026, 3, 10, 2, 30, tzinfo=UTC)
DAY = timedelta(days=1)
STAFF = Actor.system("staff")


def finding(subject: str = "usage", detail: str = "3 is not 4.") -> Finding:
    return Finding(subject, "drift", detail)


def night(number: int, *found: Finding, **scope: list[str]) -> None:
    record_findings(findings=Findings("check", found, **scope), as_of=NIGHT + number * DAY)  # type: ignore[arg-type]


def test_a_discrepancy_is_one_row_while_it_persists() -> None:
    for number in range(3):
        night(number, finding(detail=f"{number} is not 9."), finding("other"))
    row = Discrepancy.objects.get(subject="usage")
    assert (row.opened_at, row.seen_at, row.closed_at) == (NIGHT, NIGHT + 2 * DAY, None)
    assert row.detail == "2 is not 9."
    night(3, finding("other"))
    row.refresh_from_db()
    assert row.closed_at == NIGHT + 3 * DAY
    night(4, finding(), finding("other"))
    assert Discrepancy.objects.filter(subject="usage").count() == 2, "it came back"


def test_a_check_of_some_tenants_closes_no_discrepancy_of_others() -> None:
    acme, globex = make_tenant("acme"), make_tenant("globex")
    both = [Finding(tenant.slug, "drift", "?", tenant.pk) for tenant in (acme, globex)]
    night(0, *both, finding())
    record_findings(findings=Findings("check", tenant_ids=[acme.pk]), as_of=NIGHT + DAY)
    assert set(Discrepancy.objects.open().values_list("subject", flat=True)) == {"globex", "usage"}
    record_findings(findings=Findings("check", subjects=["usage"]), as_of=NIGHT + DAY)
    record_findings(findings=Findings("another"), as_of=NIGHT + DAY)
    assert [row.subject for row in Discrepancy.objects.open()] == ["globex"]


def test_discrepancies_of_one_kind_are_reported_together() -> None:
    night(0, *(finding(detail=f"Bucket {number}.") for number in range(7)))
    [row] = Discrepancy.objects.all()
    assert row.detail.splitlines() == [*(f"Bucket {number}." for number in range(5)), "And 2 more."]


def test_staff_accept_a_discrepancy_and_a_changed_one_is_open_again() -> None:
    night(0, finding())
    row = Discrepancy.objects.get()
    accept_discrepancy(discrepancy=row, reason="Known, and told.", actor=STAFF, as_of=NIGHT)
    night(1, finding())
    assert not Discrepancy.objects.open().exists()
    entry = AuditEntry.objects.get(action="discrepancy.accepted")
    assert entry.after == {"detail": "3 is not 4.", "reason": "Known, and told."}
    with pytest.raises(ConflictError):
        accept_discrepancy(discrepancy=row, reason="Once more.", actor=STAFF, as_of=NIGHT)
    night(2, finding(detail="3 is not 5."))
    with pytest.raises(ConflictError):
        accept_discrepancy(discrepancy=row, reason="Of an old page.", actor=STAFF, as_of=NIGHT)
    assert Discrepancy.objects.open().get().detail == "3 is not 5."


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({}, "discrepancy_open_once"),
        ({"subject": "b", "accepted_at": NIGHT}, "discrepancy_accepted_has_reason"),
        ({"subject": "b", "seen_at": NIGHT - DAY}, "discrepancy_seen_after_opened"),
    ],
)
def test_constraints_of_the_table_of_discrepancies(fields: dict[str, object], name: str) -> None:
    facts = {"found_by": "check", "subject": "a", "code": "drift", "detail": "?", "opened_at": NIGHT, "seen_at": NIGHT}
    Discrepancy.objects.create(**facts)
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        Discrepancy.objects.create(**facts | fields)
