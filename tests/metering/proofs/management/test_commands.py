"""The commands `sign_days`, `verify_ledger` and `rotate_proof_key`: what they print, and how they end."""

from collections.abc import Iterator
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.models import Discrepancy, JobOutcome, JobRun
from metering.domain.ledger import Ledger
from metering.proofs.models import ProofKey
from tests.metering.proofs.proof_world import days_of, noon, proven_tenant, use

pytestmark = [pytest.mark.django_db, pytest.mark.as_owner]


@pytest.fixture
def ledger() -> Ledger:
    _, ledger = proven_tenant()
    use(ledger, "a", "b", at=noon())
    return ledger


@pytest.fixture(autouse=True)
def two_days_later() -> Iterator[None]:
    with time_machine.travel(noon(2), tick=False):
        yield


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def tamper(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(statement)
        cursor.execute("SET session_replication_role = DEFAULT")


def change_an_event() -> None:
    tamper("UPDATE event SET quantity = 2 WHERE id = 'a'")


def test_sign_days_prints_what_it_signed_and_nothing_the_second_time(ledger: Ledger) -> None:
    assert run("sign_days") == "2 days signed with 2 events and voids\n"
    assert run("sign_days") == "0 days signed with 0 events and voids\n"
    assert JobRun.objects.filter(name="signing", started_by="command").count() == 2


def test_verify_ledger_prints_how_much_it_verified(ledger: Ledger) -> None:
    run("sign_days")
    assert run("verify_ledger") == "1 ledgers, 2 signed days, 2 events and voids verified, 0 breaks\n"
    assert JobRun.objects.get(name="ledger_proof").outcome == JobOutcome.SUCCEEDED


def test_verify_ledger_names_the_day_that_breaks_and_fails(ledger: Ledger) -> None:
    run("sign_days")
    change_an_event()
    out = StringIO()
    with pytest.raises(SystemExit) as failed:
        call_command("verify_ledger", stdout=out)
    assert failed.value.code == 1
    assert f"broken: {ledger.tenant_id} (live), 2026-03-10: 1 of its events or voids are changed" in out.getvalue()
    assert out.getvalue().endswith("2 events and voids verified, 1 breaks\n")
    assert Discrepancy.objects.open().get().is_holding


def test_verify_ledger_of_one_tenant_leaves_the_others_out(ledger: Ledger) -> None:
    use(proven_tenant("globex")[1], "theirs", at=noon())
    run("sign_days")
    change_an_event()
    assert "1 ledgers" in run("verify_ledger", "--tenant", "globex")
    with pytest.raises(CommandError, match="does not exist"):
        run("verify_ledger", "--tenant", "globex", "--tenant", "unknown")


def test_a_rotated_key_signs_the_next_days_and_the_earlier_ones_stay_verified(ledger: Ledger) -> None:
    assert "the first key" in run("rotate_proof_key")
    run("sign_days")
    first = ProofKey.objects.get()
    with time_machine.travel(noon(4), tick=False):
        assert run("rotate_proof_key").endswith(f"endorsed by {first.id}.\n")
        run("sign_days")
        assert "4 signed days, 2 events and voids verified, 0 breaks" in run("verify_ledger")
    assert len({row.key_id for row in days_of(ledger)}) == 2


def test_a_key_that_cannot_be_read_is_not_rotated(ledger: Ledger) -> None:
    run("sign_days")
    tamper("UPDATE proofs_proofkey SET sealed = 'x'")
    with pytest.raises(CommandError, match="SECRET_KEY"):
        run("rotate_proof_key")
    assert ProofKey.objects.count() == 1
