"""Signed days in an export."""

import pytest

from metering.proofs.services.privacy import ProofsPrivacy
from tests.metering.proofs.proof_world import noon, proven_tenant, sign_until, use

pytestmark = pytest.mark.django_db


def test_an_export_has_the_signed_days_of_each_half() -> None:
    tenant, ledger = proven_tenant()
    use(ledger, "a", at=noon())
    use(proven_tenant("globex")[1], "b", at=noon())
    sign_until(1)
    rows = {file.name: [row for page in file.pages() for row in page] for file in ProofsPrivacy().files(tenant=tenant)}
    assert {name: len(found) for name, found in rows.items()} == {
        "signed_days/live.ndjson.gz": 2,
        "signed_days/test.ndjson.gz": 0,
    }
