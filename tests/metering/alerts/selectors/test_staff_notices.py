"""Staff are told of customers' unusual usage."""

from datetime import UTC, datetime, timedelta

import pytest

from metering.alerts.selectors.staff_notices import new_anomalies
from tests.metering.alerts.anomaly_world import make_anomaly
from tests.metering.ledger_world import make_tenant

AT = datetime(2026, 3, 10, 8, tzinfo=UTC)


@pytest.mark.django_db
def test_an_anomaly_is_found_since_its_time() -> None:
    tenant = make_tenant("acme")
    make_anomaly(tenant, AT)
    [told] = new_anomalies(AT)
    assert told.title.startswith(f"{tenant.name}: unusual usage of ")
    assert not list(new_anomalies(AT + timedelta(seconds=1)))
