"""Own thresholds on the page of alerts."""

from uuid import uuid4

import pytest
from django.test import Client

from metering.alerts.models import OwnThreshold
from metering.domain.periods import Period
from metering.services.usage_plans import assign_usage_plan
from tests.metering.alerts.alert_world import OPERATOR, plan_of, quota
from tests.metering.ledger_world import LONG_AGO
from tests.portal.conftest import Cast, signed_in

PAGE = "/t/acme/alerts/"
HALF = {"form": "threshold", "quota": "tokens:month", "at": "50", "measure": "percent"}


@pytest.fixture
def limited(cast: Cast) -> Cast:
    plan = plan_of(quota(1000), quota(100, period=Period.DAY))
    assign_usage_plan(tenant=cast.acme, usage_plan=plan, actor=OPERATOR, as_of=LONG_AGO)
    return cast


def test_an_owner_adds_and_deletes_thresholds(limited: Cast, alice: Client) -> None:
    assert alice.post(PAGE, HALF).status_code == 302
    units = HALF | {"quota": "tokens:day", "at": "12.5", "measure": "units"}
    page = alice.post(PAGE, units, follow=True).content.decode()
    assert ("50 %" in page, "12.5 tokens" in page, "Usage is compared with it each minute." in page) == (True,) * 3
    first = OwnThreshold.objects.get(threshold=50)
    assert alice.post(PAGE, {"form": "threshold_delete", "threshold_id": str(first.pk)}).status_code == 302
    assert list(OwnThreshold.objects.values_list("threshold_quantity", "quota_period")) == [(12.5, "day")]
    for unknown in ("x", str(uuid4()), str(first.pk)):
        assert alice.post(PAGE, {"form": "threshold_delete", "threshold_id": unknown}).status_code == 404


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"at": "80"}, "There is always an alert at 80, 95 and 100 percent."),
        ({"at": "50.5"}, "A percentage is a whole number from 1 to 1000."),
        ({"at": "NaN"}, "Enter a number."),
        ({"at": "1e30", "measure": "units"}, "Ensure that there are no more than"),
        ({"quota": "other:month"}, "is not one of the available choices"),
    ],
)
def test_what_cannot_be_is_an_error_at_its_field(
    limited: Cast, alice: Client, change: dict[str, str], text: str
) -> None:
    answer = alice.post(PAGE, HALF | change)
    assert answer.status_code == 422
    assert text in answer.content.decode()
    assert not OwnThreshold.objects.exists()


def test_a_threshold_that_exists_is_named_and_one_without_quota_is_marked(limited: Cast, alice: Client) -> None:
    alice.post(PAGE, HALF)
    assert "has this threshold already" in alice.post(PAGE, HALF).content.decode()
    assign_usage_plan(tenant=limited.acme, usage_plan=plan_of(), actor=OPERATOR, as_of=LONG_AGO)
    assert "No quota now" in alice.get(PAGE).content.decode()


def test_other_members_see_thresholds_and_set_none(limited: Cast, alice: Client) -> None:
    dora = signed_in(limited.dora)
    assert "Owners and admins set them." in dora.get(PAGE).content.decode()
    alice.post(PAGE, HALF)
    page = dora.get(PAGE).content.decode()
    assert ("50 %" in page, "Add threshold" in page) == (True, False)
    assert dora.post(PAGE, HALF | {"at": "51"}).status_code == 403
    assert OwnThreshold.objects.count() == 1
