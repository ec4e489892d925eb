"""Which halves of the ledger the store of limits has missed events of."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from metering.models import UncountedLedger
from metering.selectors.uncounted import is_uncounted, uncounted_ledgers
from tests.metering.ledger_world import ledger_of, make_tenant

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)


@pytest.mark.django_db
def test_a_half_is_marked_once_and_the_first_is_the_oldest() -> None:
    assert uncounted_ledgers() == (0, None)
    acme, other = ledger_of(make_tenant("acme")), ledger_of(make_tenant("other"))
    for ledger, at in ((acme, NOW), (other, NOW - timedelta(minutes=1))):
        UncountedLedger.objects.create(tenant_id=ledger.tenant_id, is_live=True, since_at=at)
    assert is_uncounted(acme)
    assert uncounted_ledgers() == (2, NOW - timedelta(minutes=1))
    with pytest.raises(IntegrityError, match="uncounted_ledger_once"), transaction.atomic():
        UncountedLedger.objects.create(tenant_id=acme.tenant_id, is_live=True, since_at=NOW)
    UncountedLedger.objects.filter(tenant_id=acme.tenant_id).delete()
    assert not is_uncounted(acme)
