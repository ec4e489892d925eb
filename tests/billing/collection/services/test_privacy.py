"""Which files of an export belong to collection."""

from accounts.models import Tenant
from billing.collection.services.privacy import CollectionPrivacy
from tests.metering.ledger_world import make_tenant


def test_what_providers_know_of_a_tenant_is_exported(db: None) -> None:
    tenant: Tenant = make_tenant("acme")
    pieces = list(CollectionPrivacy().files(tenant=tenant))
    assert [list(piece.pages()) for piece in pieces] == [[]] * 6  # type: ignore[union-attr]
    assert pieces[0].name == "provider_customers.json"
