"""Cases, steps and pauses hold what they say, against whoever writes past the services."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from billing.dunning.models import DunningCase, DunningPause, DunningStep
from tests.billing.dunning.unpaid import OVERDUE_AT, overdue

pytestmark = pytest.mark.django_db


def refused(name: str, write: Any) -> None:
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        write()


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"kind": "cash"}, "dunning_case_kind_known"),
        ({"stage": "angry"}, "dunning_case_stage_known"),
        ({"status": "recovered"}, "dunning_case_closed_has_time"),
        ({"closed_at": OVERDUE_AT}, "dunning_case_closed_has_time"),
    ],
)
def test_a_case_holds_what_it_says(fields: dict[str, Any], name: str) -> None:
    overdue()
    refused(name, lambda: DunningCase.objects.update(**fields))


def test_an_invoice_has_one_unpaid_case_and_a_case_each_step_once() -> None:
    invoice = overdue()
    case = DunningCase.objects.get()
    assert str(case) == f"Dunning of {invoice.number}"
    again = {"tenant": case.tenant, "subscription": case.subscription, "schedule": case.schedule, "kind": "transfer"}
    refused(
        "dunning_case_one_of_an_invoice",
        lambda: DunningCase.objects.create(invoice=invoice, opened_at=OVERDUE_AT, **again),
    )
    refused("dunning_step_once", lambda: DunningStep.objects.filter(position=2).update(position=1))
    running = {"status": "running", "started_at": OVERDUE_AT}
    refused("dunning_step_one_running", lambda: DunningStep.objects.filter(position__lte=2).update(**running))
    refused("dunning_step_kind_known", lambda: DunningStep.objects.update(kind="visit"))
    for fields in ({"status": "done"}, {"done_at": OVERDUE_AT}, {"status": "done", "done_at": OVERDUE_AT}):
        refused("dunning_step_done_has_outcome", lambda fields=fields: DunningStep.objects.update(**fields))
    assert str(DunningStep.objects.get(position=2)) == "Reminder on 2026-03-22"


def test_a_tenant_has_one_pause_with_a_reason() -> None:
    tenant = overdue().tenant
    one = {"tenant": tenant, "reason": "Promised.", "paused_at": OVERDUE_AT, "paused_by": "bo"}
    assert str(DunningPause.objects.create(**one)) == "Pause of Acme"
    refused("dunning_pause_one", lambda: DunningPause.objects.create(**one))
    refused("dunning_pause_has_reason", lambda: DunningPause.objects.update(reason=""))
    earlier = OVERDUE_AT - timedelta(seconds=1)
    refused("dunning_pause_in_order", lambda: DunningPause.objects.update(ended_at=earlier))
