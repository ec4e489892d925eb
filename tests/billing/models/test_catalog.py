"""Each invariant of plans, versions and prices holds against every writer."""

import pytest
from django.db import transaction

from billing.models import (
    PlanVersion,
    Price,
)
from metering.models import Meter, UsagePlan
from tests.billing.models import rows
from tests.billing.models.rows import NOW, refuses
from tests.metering.ledger_world import make_meter

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"number": 1}, "plan_version_once"),
        ({"number": 0}, "plan_version_from_one"),
        ({"number": 7, "trial_days": 731}, "plan_version_trial_bounded"),
    ],
)
def test_the_versions_of_a_plan_are_numbered_once_from_one_on(
    version: PlanVersion, fields: dict[str, object], name: str
) -> None:
    usage_plan = UsagePlan.objects.get(pk=version.usage_plan_id)
    with refuses(name), transaction.atomic():
        PlanVersion.objects.create(
            plan=version.plan, usage_plan=usage_plan, digest=rows.DIGEST, created_at=NOW, **fields
        )


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"kind": "recurring"}, "price_one_fee"),
        ({"kind": "usage", "meter": "calls"}, "price_one_per_meter"),
        ({"kind": "usage"}, "price_kind_has_its_meter"),
        ({"kind": "recurring", "meter": "bytes"}, "price_kind_has_its_meter"),
        ({"kind": "recurring", "currency": "USD", "model": "per_unit"}, "price_kind_has_its_meter"),
        ({"kind": "gift"}, "price_kind_has_its_meter"),
        ({"kind": "usage", "meter": "bytes", "model": "auction"}, "price_model_known"),
        ({"kind": "usage", "meter": "bytes", "currency": "eur"}, "price_currency_is_code"),
    ],
)
def test_a_version_has_one_fee_a_currency_and_one_price_a_meter(
    version: PlanVersion, fields: dict[str, object], name: str
) -> None:
    make_meter("bytes", "http_request", unit="byte")
    given = {"currency": "EUR", "model": "flat", "terms": {"amount": "1"}} | fields
    given["meter"] = Meter.objects.filter(code=given.get("meter")).first()
    with refuses(name), transaction.atomic():
        Price.objects.create(plan_version=version, **given)
