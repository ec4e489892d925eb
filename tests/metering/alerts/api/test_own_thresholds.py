"""`/alert-thresholds`."""

from collections.abc import Iterator

import pytest
import time_machine

from accounts.domain.scopes import Scope
from accounts.models import Tenant
from metering.alerts.models import OwnThreshold
from tests.metering.alerts.alert_world import NOON, TOKENS, customer, quota
from tests.metering.api.test_budgets import client_of

pytestmark = pytest.mark.django_db
PATH = "/api/v1/alert-thresholds"
HALF = {"meter": TOKENS, "quota_period": "month", "threshold": 50}


@pytest.fixture(autouse=True)
def at_noon() -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


@pytest.fixture
def acme() -> Tenant:
    return customer("acme", quota(1000))


def test_a_threshold_is_created_once_read_and_deleted(acme: Tenant) -> None:
    client = client_of(acme)
    created = client.post(PATH, HALF, format="json", HTTP_IDEMPOTENCY_KEY="one")
    again = client.post(PATH, HALF, format="json", HTTP_IDEMPOTENCY_KEY="one")
    assert (created.status_code, again.json()) == (201, created.json())
    body = {
        "id": str(OwnThreshold.objects.get().pk),
        **HALF,
        "threshold_quantity": None,
        "limit": "1000",
        "created_at": "2026-03-10T12:00:00Z",
    }
    assert created.json() == body
    exists = client.post(PATH, HALF, format="json")
    assert (exists.status_code, exists.json()["code"]) == (409, "alert_threshold_exists")
    units = {"meter": TOKENS, "quota_period": "day", "threshold_quantity": "12.5"}
    without_quota = client.post(PATH, units, format="json").json()
    assert (without_quota["threshold_quantity"], without_quota["limit"]) == ("12.5", None)

    assert sorted(one["quota_period"] for one in client.get(PATH).json()["data"]) == ["day", "month"]
    one = f"{PATH}/{body['id']}"
    assert client.get(one).json() == body
    assert client_of(customer("rival")).get(one).status_code == 404
    assert client.delete(one).status_code == 204
    assert client.get(one).status_code == 404


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"threshold": 80}, "/threshold"),
        ({"threshold": 0}, "/threshold"),
        ({"threshold": "50"}, "/threshold"),
        ({"threshold": None}, "/threshold"),
        ({"threshold_quantity": 5}, "/threshold"),
        ({"threshold": None, "threshold_quantity": "1E400"}, "/threshold_quantity"),
        ({"meter": "nothing"}, "/meter"),
        ({"meter": "a\0b"}, "/meter"),
        ({"quota_period": "year"}, "/quota_period"),
        ({"other": 1}, "/other"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(acme: Tenant, change: dict[str, object], pointer: str) -> None:
    refused = client_of(acme).post(PATH, HALF | change, format="json")
    assert refused.status_code in {400, 422}
    assert [error["pointer"] for error in refused.json()["errors"]] == [pointer]
    assert not OwnThreshold.objects.exists()


def test_reading_needs_billing_read_and_changing_keys_manage(acme: Tenant) -> None:
    reader, changer = client_of(acme, Scope.BILLING_READ), client_of(acme, Scope.KEYS_MANAGE)
    assert (reader.get(PATH).status_code, reader.post(PATH, HALF, format="json").status_code) == (200, 403)
    assert (changer.get(PATH).status_code, changer.post(PATH, HALF, format="json").status_code) == (403, 201)
