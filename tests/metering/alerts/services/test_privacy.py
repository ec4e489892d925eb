"""Which files of an export belong to alerts."""

from accounts.models import Tenant
from metering.alerts.services.privacy import AlertsPrivacy
from tests.metering.ledger_world import make_tenant


def test_alerts_are_exported(db: None) -> None:
    tenant: Tenant = make_tenant("acme")
    _, piece = AlertsPrivacy().files(tenant=tenant)
    assert (piece.name, list(piece.pages())) == ("alerts.json", [])  # type: ignore[union-attr]
