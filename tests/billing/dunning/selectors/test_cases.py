"""The dunning of a tenant as its pages show it, in a fixed number of queries."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Tenant
from billing.dunning.selectors.cases import dunning_of, plan_may_change
from billing.dunning.services.pausing import pause_dunning
from tests.billing.dunning.scripted.provider import ScriptedProvider
from tests.billing.dunning.unpaid import DAY, FAILED_AT, declined, run_until, set_schedule
from tests.billing.world import STAFF

pytestmark = pytest.mark.django_db


def test_what_is_next_and_the_worst_stage_are_told(provider: ScriptedProvider) -> None:
    invoice = declined(provider)
    told = dunning_of(invoice.tenant_id)
    assert told.first is not None
    assert (told.stage, told.first.retries_at, told.is_paused) == ("past_due", FAILED_AT + DAY, False)
    assert (told.first.suspends_at, told.first.cancels_at) == (FAILED_AT + 14 * DAY, FAILED_AT + 30 * DAY)

    run_until(FAILED_AT + 14 * DAY)
    pause_dunning(tenant=Tenant.objects.get(), reason="Promised.", actor=STAFF, as_of=FAILED_AT + 14 * DAY)
    with CaptureQueriesContext(connection) as queries:
        told = dunning_of(invoice.tenant_id)
    assert len(queries) == 2
    assert (told.stage, told.first.retries_at, told.is_paused) == ("suspended", None, True)


def test_a_tenant_without_a_case_has_no_stage_and_the_stage_decides_about_changes_of_plan(
    provider: ScriptedProvider,
) -> None:
    invoice = declined(provider)
    assert plan_may_change(invoice.tenant_id)
    set_schedule(past_due_may_change_plan=False)
    assert not plan_may_change(invoice.tenant_id)
    invoice.dunning_cases.update(status="recovered", closed_at=FAILED_AT)
    assert plan_may_change(invoice.tenant_id)
    told = dunning_of(invoice.tenant_id)
    assert (told.stage, told.first) == ("", None)
