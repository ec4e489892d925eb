"""The job that signs, as its run shows it."""

import pytest

from accounts.models import JobOutcome
from metering.proofs.services.jobs import run_signing
from tests.metering.proofs.proof_world import noon, proven_tenant, use

pytestmark = pytest.mark.django_db


def test_a_run_says_what_it_signed() -> None:
    tenant, ledger = proven_tenant()
    use(ledger, "a", at=noon())
    run = run_signing(started_by="schedule", as_of=noon(2))
    assert run.outcome == JobOutcome.SUCCEEDED
    assert run.summary == {"days": 2, "leaves": 1, "late": 0}
    assert run_signing(started_by="schedule", as_of=noon(2), halves=[(tenant.pk, True)]).summary["days"] == 0
