"""The worker of dunning killed with SIGKILL at each step of its work: each charge, mail, suspension and end is once."""

import signal
from pathlib import Path
from uuid import uuid4

import pytest

from tests.faults.dunners import KILLED_AT, Dunned, follow_up, prepare, tenant_of
from tests.faults.durable import DurableServer, await_that
from tests.faults.processes import FORK_SERVER, GIVE_UP_AFTER_SECONDS, run_apart

pytestmark = pytest.mark.xdist_group("faults")

# One with the outcome of a charge unknown, one inside a transaction. The others are soak.
IN_EVERY_RUN = {"with the card charged and nothing stored", "before the commit of a suspension"}
STEPS = """
SELECT s.kind, s.status FROM dunning_dunningstep AS s JOIN dunning_dunningcase AS c ON c.id = s.case_id
WHERE c.tenant_id = %s ORDER BY s.position
"""
MAILS = (
    "SELECT count(*), count(DISTINCT dedupe_key) FROM notices_outboundmail WHERE tenant_id = %s AND kind = 'dunning'"
)
ACTS = "SELECT action, count(*) FROM accounts_auditentry WHERE tenant_id = %s AND action LIKE 'dunning.%%' GROUP BY 1"
ATTEMPTS = "SELECT count(*), count(DISTINCT reference) FROM billing_payment WHERE tenant_id = %s AND status = 'failed'"
ENDS = """
SELECT t.status, (SELECT array_agg(s.status) FROM billing_subscription AS s WHERE s.tenant_id = t.id)
FROM accounts_tenant AS t WHERE t.id = %s
"""
KINDS = ["notice", "retry", "retry", "retry", "retry", "suspend", "warning", "cancel"]


def in_turn(step: str) -> object:
    return pytest.param(step, marks=[] if step in IN_EVERY_RUN else [pytest.mark.soak])


@pytest.mark.parametrize("step", [in_turn(step) for step in KILLED_AT])
@pytest.mark.takes_long("it kills a process, and looks for what it left")
def test_dunning_killed_at_a_step_does_each_step_once(server: DurableServer, tmp_path: Path, step: str) -> None:
    work = Dunned(server.url, f"d{uuid4().hex[:12]}", tmp_path)
    run_apart(prepare, work)
    doomed = FORK_SERVER.Process(target=follow_up, args=(work, step))
    doomed.start()
    await_that(work.reached.exists)
    doomed.kill()
    doomed.join(GIVE_UP_AFTER_SECONDS)
    assert doomed.exitcode == -signal.SIGKILL

    run_apart(follow_up, work)

    tenant = [tenant_of(work)]
    with server.connect() as connection:
        assert connection.execute(STEPS, tenant).fetchall() == [(kind, "done") for kind in KINDS]
        assert connection.execute(MAILS, tenant).fetchone() == (8, 8)
        assert connection.execute(ATTEMPTS, tenant).fetchone() == (5, 5)  # the first charge, and four by dunning
        acts: dict[str, int] = dict(connection.execute(ACTS, tenant).fetchall())
        assert acts == {"dunning.opened": 1, "dunning.step": 8, "dunning.suspended": 1, "dunning.cancelled": 1}
        assert connection.execute(ENDS, tenant).fetchone() == ("suspended", ["cancelled"])
    charged = work.charges.read_text().splitlines()
    assert len(charged) == len(set(charged)) == 4
