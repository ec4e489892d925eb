"""The places of a key are its tenant's to see."""

from datetime import datetime
from uuid import uuid4

from accounts.keys.selectors.leaks import leaks_of_key
from accounts.keys.services.api_keys import CreatedKey
from accounts.models import KeyLeak, Tenant


def test_a_tenant_sees_the_places_of_its_own_keys_only(
    acme_key: CreatedKey, acme: Tenant, globex: Tenant, now: datetime
) -> None:
    leak = KeyLeak.objects.create(
        id=uuid4(), api_key=acme_key.key, tenant=acme, place_digest=b"1" * 32, scanner="s", reported_at=now
    )
    assert list(leaks_of_key(tenant_id=acme.pk, key_id=acme_key.key.pk)) == [leak]
    assert not leaks_of_key(tenant_id=globex.pk, key_id=acme_key.key.pk)
