"""A tenant reads the use of its own keys, and the labels by which it can filter them."""

from datetime import datetime, timedelta

from accounts.keys.domain.labels import KeyLabels
from accounts.keys.selectors.key_use import LabelsInUse, addresses_of_key, labels_in_use, refusals_of_key
from accounts.keys.services.api_keys import CreatedKey
from accounts.keys.services.labels import label_api_key
from accounts.models import KeyAddress, KeyRefusal, Tenant
from tests.accounts.conftest import SYSTEM


def test_use_is_summed_by_reason_and_is_the_tenants_own(
    acme_key: CreatedKey, acme: Tenant, globex: Tenant, now: datetime
) -> None:
    key, today = acme_key.key, now.date()
    for days, code, requests in ((0, "throttled", 3), (1, "throttled", 4), (1, "scope_missing", 2), (50, "old", 9)):
        day = today - timedelta(days=days)
        KeyRefusal.objects.create(api_key=key, tenant=acme, day=day, code=code, requests=requests, last_at=now)
    KeyAddress.objects.create(api_key=key, tenant=acme, address="192.0.2.1", first_used_at=now, last_used_at=now)
    label_api_key(key=key, labels=KeyLabels("staging", ("b", "a")), actor=SYSTEM, as_of=now)
    since = today - timedelta(days=30)
    sums = [(row.code, row.requests) for row in refusals_of_key(tenant_id=acme.pk, key_id=key.pk, since=since)]
    assert sums == [("throttled", 7), ("scope_missing", 2)]
    assert addresses_of_key(tenant_id=acme.pk, key_id=key.pk).get().address == "192.0.2.1"
    assert labels_in_use(tenant_id=acme.pk) == LabelsInUse(("staging",), ("a", "b"))
    assert not refusals_of_key(tenant_id=globex.pk, key_id=key.pk, since=since)
    assert not addresses_of_key(tenant_id=globex.pk, key_id=key.pk)
    assert labels_in_use(tenant_id=globex.pk) == LabelsInUse((), ())
