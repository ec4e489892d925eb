"""Every client beside the running product, whose server is killed while they send: each event is counted once."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from accounts.domain.scopes import Scope
from accounts.models import Tenant
from metering.models import Event
from metering.services.reconciliation import reconcile
from tests.clients.mortal_server import MortalServer
from tests.clients.sources import FOLDER, NO_NODE, NODE
from tests.metering.ledger_world import ledger_of, make_key, make_tenant

pytestmark = pytest.mark.django_db(transaction=True)
HERE = Path(__file__).parent
PYTHON_KINDS = ("python", "django", "flask", "fastapi")
NODE_KINDS = ("node", "express")


@dataclass(frozen=True)
class Adopter:
    """A program with one of the clients, and the tenant whose key it has."""

    kind: str
    tenant: Tenant
    process: subprocess.Popen[str]

    def events(self) -> int:
        return Event.objects.of_ledger(self.tenant.id, is_live=True).count()


def adopter(kind: str, count: int, seconds: int, server: MortalServer, folder: Path) -> Adopter:
    tenant = make_tenant(kind)
    _, secret = make_key(tenant, scopes=[Scope.EVENTS_WRITE])
    program = [NODE, str(HERE / "driver.mjs")] if kind in NODE_KINDS else [sys.executable, str(HERE / "driver.py")]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("DJANGO", "DATABASE"))},
        "PYTHONPATH": str(FOLDER),
        "COUNTINGHOUSE_URL": server.url,
        "COUNTINGHOUSE_API_KEY": secret,
        "COUNTINGHOUSE_SPOOL": str(folder / kind),
    }
    process = subprocess.Popen(
        [*program, kind, str(count), str(count // seconds)], env=environment, stdout=subprocess.PIPE, text=True
    )
    return Adopter(kind, tenant, process)


def run_through_kills(
    kinds: Sequence[str], count: int, seconds: int, kills: int, server: MortalServer, folder: Path
) -> str:
    """Send so many events of each kind, in that time or longer, while the server is killed. Return what was seen."""
    started = time.monotonic()
    adopters = [adopter(kind, count, seconds, server, folder) for kind in kinds]
    try:
        for kill in range(1, kills + 1):
            await_events(adopters, count * kill // (kills + 2))
            server.kill()
            server.start()
        counts = {one.kind: json.loads(one.process.communicate(timeout=400)[0]) for one in adopters}
    finally:
        for one in adopters:
            one.process.kill()
    took = time.monotonic() - started
    said = []
    for one in adopters:
        paths = Event.objects.of_ledger(one.tenant.id, is_live=True).values_list("properties__resource_path", flat=True)
        assert sorted(paths) == sorted(f"/n/{number}" for number in range(count)), one.kind
        assert reconcile(ledgers=[ledger_of(one.tenant)]).is_clean
        counted = counts[one.kind]
        assert counted["recorded"] == count
        assert counted["accepted"] + counted["duplicates"] >= count
        assert counted["rejected"] == 0
        # On a busy machine three seconds of events may fit into one call before the kill; 25 seconds do not.
        assert counted["failures"] > 0 or kills == 1, f"{one.kind} noticed nothing"
        left = [path.name for path in (folder / one.kind).glob("*.events")]
        assert left == [], one.kind
        said.append(f"{one.kind} {count} once ({counted['failures']} calls failed, {counted['duplicates']} repeated)")
    return f"{kills} kills, {took:.0f} s: " + "; ".join(said)


def await_events(adopters: list[Adopter], count: int) -> None:
    """Wait until the fastest has so many stored. So none has sent all of its events before a kill."""
    deadline = time.monotonic() + 300
    while max(one.events() for one in adopters) < count:
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.mark.takes_long("it starts a web server twice, and programs with a client")
def test_each_event_of_a_client_is_counted_once_though_the_server_is_killed(
    server: MortalServer, tmp_path: Path
) -> None:
    kinds = ["fastapi"]  # the other frameworks: below, and in test_countinghouse_web.py
    if NODE:
        kinds.append("express")
    else:
        print(f"Without the client for Node: {NO_NODE}")
    run_through_kills(kinds, 300, 3, 1, server, tmp_path)


@pytest.mark.soak
def test_ten_thousand_events_of_each_client_are_counted_once_through_two_kills(
    server: MortalServer, tmp_path: Path
) -> None:
    assert NODE, NO_NODE
    print(run_through_kills((*PYTHON_KINDS, *NODE_KINDS), 10_000, 25, 2, server, tmp_path))
