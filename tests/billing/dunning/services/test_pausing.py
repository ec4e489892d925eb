"""Staff pause dunning of a tenant with a reason; afterwards everything is later by the pause."""

import pytest

from accounts.errors import InvalidFieldsError
from accounts.models import AuditEntry, Tenant
from billing.dunning.errors import DunningPauseError
from billing.dunning.services.pausing import pause_dunning, resume_dunning
from billing.dunning.services.running import run_due_steps, run_step
from tests.billing.dunning.scripted.provider import ScriptedProvider
from tests.billing.dunning.unpaid import DAY, FAILED_AT, case_of, declined, overdue, pay, run_until, steps_of
from tests.billing.world import STAFF

pytestmark = pytest.mark.django_db


def test_a_paused_tenant_is_neither_charged_nor_mailed_and_its_steps_move(provider: ScriptedProvider) -> None:
    invoice = declined(provider)
    run_due_steps(as_of=FAILED_AT)
    tenant = Tenant.objects.get()
    pause_dunning(tenant=tenant, reason="Promised by phone.", actor=STAFF, as_of=FAILED_AT)
    retry = case_of(invoice).steps.get(position=2)
    run_until(FAILED_AT + 10 * DAY)
    assert run_step(step_id=retry.pk, as_of=FAILED_AT + DAY) is False
    assert provider.calls == []

    resume_dunning(tenant=tenant, actor=STAFF, as_of=FAILED_AT + 10 * DAY)

    run_until(FAILED_AT + 11 * DAY, since=FAILED_AT + 10 * DAY)
    assert [str(day) for kind, status, day in steps_of(invoice) if status == "done"] == ["2026-03-01", "2026-03-12"]
    assert list(AuditEntry.objects.filter(action__startswith="dunning.").values_list("action", flat=True)).count(
        "dunning.paused"
    ) == 1  # fmt: skip


def test_a_payment_during_a_pause_still_ends_the_case(provider: ScriptedProvider) -> None:
    invoice = declined(provider)
    pause_dunning(tenant=Tenant.objects.get(), reason="Promised.", actor=STAFF, as_of=FAILED_AT)
    pay(invoice, FAILED_AT + DAY)
    assert case_of(invoice).status == "recovered"


def test_pausing_twice_or_without_a_reason_and_resuming_what_runs_are_refused() -> None:
    overdue()
    tenant = Tenant.objects.get()
    with pytest.raises(InvalidFieldsError):
        pause_dunning(tenant=tenant, reason=" ", actor=STAFF, as_of=FAILED_AT)
    with pytest.raises(DunningPauseError):
        resume_dunning(tenant=tenant, actor=STAFF, as_of=FAILED_AT)
    pause_dunning(tenant=tenant, reason="Promised.", actor=STAFF, as_of=FAILED_AT)
    with pytest.raises(DunningPauseError):
        pause_dunning(tenant=tenant, reason="Again.", actor=STAFF, as_of=FAILED_AT)
