"""The two audit entries of a viewing. `tests/security` checks what a viewing shows and refuses."""

from datetime import datetime, timedelta

from accounts.domain.actor import Actor
from accounts.domain.viewing import Viewing, ViewingEnd
from accounts.models import AuditEntry, Membership, Tenant, User
from accounts.services.viewing import begin_viewing, end_viewing, end_viewings_left
from accounts.tasks import end_viewings

LASTS = timedelta(minutes=30)


def begin(tenant: Tenant, staff: User, as_of: datetime) -> Viewing:
    return begin_viewing(
        membership=Membership.objects.filter(tenant=tenant).first(),
        reason="Ticket 4711",
        lasts_at_most=LASTS,
        actor=Actor.staff(user_id=staff.pk, label=staff.email),
        as_of=as_of,
    )


def ends() -> list[tuple[str, datetime]]:
    entries = AuditEntry.objects.filter(action="tenant.viewing_ended").order_by("occurred_at", "id")
    return [(entry.after["how"], entry.occurred_at) for entry in entries]


def test_the_end_of_a_viewing_is_recorded_once_and_never_after_the_latest(
    acme: Tenant, charlie: User, now: datetime
) -> None:
    viewing = begin(acme, charlie, now)
    end_viewing(viewing=viewing, how=ViewingEnd.TIME, as_of=now + timedelta(hours=9))
    end_viewing(viewing=viewing, how=ViewingEnd.STOPPED, as_of=now + timedelta(hours=9))
    assert ends() == [("time ran out", now + LASTS)]


def test_only_unfinished_viewings_are_ended(acme: Tenant, charlie: User, now: datetime) -> None:
    stopped, _ = begin(acme, charlie, now), begin(acme, charlie, now)
    begin(acme, charlie, now + LASTS)
    end_viewing(viewing=stopped, how=ViewingEnd.STOPPED, as_of=now)
    assert end_viewings_left(as_of=now + LASTS).summary == {"ended": 1}
    assert ends() == [("stopped by staff", now), ("time ran out", now + LASTS)]


def test_the_job_that_ends_viewings_runs(acme: Tenant, charlie: User, now: datetime) -> None:
    begin(acme, charlie, now - LASTS)
    assert end_viewings() == "succeeded"
    assert len(ends()) == 1
