"""Real processes of the application that send events, on a database of the test's choosing.

They are forked from one process that has loaded Django and never opened a connection, so eight of them start in
milliseconds. They write each acknowledgement to a file at once, so it is known even of one that was killed.
"""

import json
import multiprocessing
import os
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from multiprocessing.process import BaseProcess
from pathlib import Path
from uuid import UUID, uuid4

import django
from django.apps import apps
from django.conf import settings
from django.db import IntegrityError, InterfaceError, OperationalError, connection, connections

from config.environment import Environment
from config.operations.database_logins import database_logins

if not apps.ready:  # in the process that the senders are forked from
    django.setup()

from django.core.management import call_command

from accounts.domain.api_key import parse_key
from accounts.domain.reach import WayIn, let_process_reach
from accounts.domain.scopes import Scope
from accounts.models import ApiKey, Tenant
from metering.domain.event_input import parse_event
from metering.domain.events import IngestRules, ParsedEvent
from metering.domain.ledger import Ledger
from metering.selectors.ledgers import ledgers
from metering.services import ingest
from metering.services.reconciliation import reconcile

FORK_SERVER = multiprocessing.get_context("forkserver")
FORK_SERVER.set_forkserver_preload(["__main__", "tests.faults.processes"])
RETRY_PAUSE_SECONDS = 0.02
GIVE_UP_AFTER_SECONDS = 120
LONG_AGO, FAR_AHEAD = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Work:
    """The events that each sender sends: the same ones, each sender in an order and in batches of its own."""

    database_url: str
    ledger: Ledger
    journals: Path  # a directory, in it one file of each sender
    events: int = 1000
    events_per_batch: int = 50
    prefix: str = "event"
    # Without a time an event gets that of its arrival, so each attempt has another one: the hardest case for "once".
    occurred_at: datetime | None = None
    # Over HTTP instead of through the services, if both are given.
    port: int = 0
    secret: str = ""
    # The two controls.
    claims_identity: bool = True
    commits_synchronously: bool = True

    def batches(self, order: random.Random) -> list[list[dict[str, object]]]:
        """Return the bodies of the events, shuffled and cut. Event n carries n bytes."""
        events = [self.event(number) for number in range(self.events)]
        order.shuffle(events)
        return [events[start : start + self.events_per_batch] for start in range(0, self.events, self.events_per_batch)]

    def event(self, number: int) -> dict[str, object]:
        """Return one event as a client would send it."""
        time_given = {"timestamp": self.occurred_at.isoformat()} if self.occurred_at else {}
        body: dict[str, object] = {"id": f"{self.prefix}-{number}", "type": "http_request"}
        return body | {"properties": {"response_length": number, "method": "GET"}} | time_given


@dataclass(frozen=True)
class Journal:
    """The acknowledgements of one sender, and how often it got no response."""

    accepted: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    unanswered: int = 0

    @property
    def acknowledged(self) -> list[str]:
        return [*self.accepted, *self.duplicates]


def read_journals(directory: Path) -> list[Journal]:
    """Return each sender's journal. A last line that a kill cut off was not acknowledged yet."""
    journals = []
    for path in sorted(directory.glob("*.jsonl")):
        *lines, _ = path.read_text().split("\n")
        entries = [json.loads(line) for line in lines]
        journals.append(
            Journal(
                accepted=[id_ for entry in entries for id_ in entry.get("accepted", [])],
                duplicates=[id_ for entry in entries for id_ in entry.get("duplicates", [])],
                unanswered=sum("unanswered" in entry for entry in entries),
            )
        )
    return journals


@contextmanager
def senders(work: Work, count: int) -> Iterator[list[BaseProcess]]:
    """Start so many senders. Whatever happens, none outlives the block."""
    processes: list[BaseProcess] = [FORK_SERVER.Process(target=send_everything, args=(work, n)) for n in range(count)]
    for process in processes:
        process.start()
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.join(120)


def finish(processes: list[BaseProcess]) -> None:
    """Wait until each sender has had a response to each of its batches."""
    for process in processes:
        process.join(GIVE_UP_AFTER_SECONDS)
    assert [process.exitcode for process in processes] == [0] * len(processes)


def send_everything(work: Work, number: int) -> None:
    """Send every batch again and again until it gets a response. This is the body of a sender."""
    connect_to(work.database_url, parameters="" if work.commits_synchronously else "-c synchronous_commit=off")
    if not work.claims_identity:
        ingest.INGEST = without_claim(ingest.INGEST)
    with (work.journals / f"{os.getpid()}.jsonl").open("a", buffering=1) as journal:
        for batch in work.batches(random.Random(number)):
            until_answered(lambda batch=batch: journal.write(send(work, batch)), journal.write)  # type: ignore[misc]


def send(work: Work, bodies: list[dict[str, object]]) -> str:
    """Send one batch as it arrives now. Return a line for the journal."""
    if work.port:
        return post(work, bodies)
    as_of = datetime.now(UTC)
    events = parse(bodies, as_of)
    result = ingest.ingest_events(ledger=work.ledger, events=events, api_key_id=None, as_of=as_of)
    assert not result.conflicts, result
    told = {
        "accepted": [events[index].id for index in result.accepted],
        "duplicates": [events[index].id for index in result.duplicates],
    }
    return json.dumps(told) + "\n"


def post(work: Work, bodies: list[dict[str, object]]) -> str:
    """Send one batch as a client does.

    A response counts its duplicates and does not name them, so all are noted as such.
    """
    line = HTTPConnection("127.0.0.1", work.port, timeout=GIVE_UP_AFTER_SECONDS)
    with closing(line):
        headers = {"Authorization": f"Bearer {work.secret}", "Content-Type": "application/json"}
        line.request("POST", "/api/v1/events", json.dumps({"events": bodies}), headers | {"Host": "localhost"})
        response = line.getresponse()
        answer = response.read()
    if response.status == HTTPStatus.SERVICE_UNAVAILABLE:
        raise OperationalError("503: nothing was stored, or that is unknown")
    assert response.status == HTTPStatus.OK, (response.status, answer)
    told = json.loads(answer)
    assert told["accepted"] + told["duplicates"] == len(bodies), told
    return json.dumps({"duplicates": [body["id"] for body in bodies]}) + "\n"


def parse(bodies: list[dict[str, object]], as_of: datetime) -> list[ParsedEvent]:
    """Parse the events as the API does."""
    rules = IngestRules(window_start=LONG_AGO, latest=FAR_AHEAD, known_types=frozenset({"http_request"}))
    verdicts = [parse_event(body, index, as_of, rules) for index, body in enumerate(bodies)]
    parsed = [verdict for verdict in verdicts if isinstance(verdict, ParsedEvent)]
    assert len(parsed) == len(bodies), verdicts
    return parsed


def until_answered(attempt: Callable[[], object], note: Callable[[str], object]) -> None:
    """Retry until a response comes, as every client does.

    IntegrityError is the control's: two rows under one key.
    """
    deadline = time.monotonic() + GIVE_UP_AFTER_SECONDS
    while True:
        try:
            attempt()
        except (OperationalError, InterfaceError, IntegrityError, OSError, HTTPException):
            if time.monotonic() > deadline:
                raise
            note('{"unanswered": 1}\n')
            connection.close()
            time.sleep(RETRY_PAUSE_SECONDS)
        else:
            return


def without_claim(statement: str) -> str:
    """Return the ingest statement without the claim of identities, for the control."""
    weakened, replaced = re.subn(
        r"\nclaimed AS \(.*?\n\),", "\nclaimed AS (SELECT key FROM input),", statement, flags=re.DOTALL
    )
    assert replaced == 1, "the statement has changed, and this control with it"
    return weakened


def connect_to(database_url: str, *, parameters: str = "") -> None:
    """Connect this process to another database than the settings name, with the application's rights."""
    let_process_reach(WayIn.JOBS)
    environment = Environment({"DATABASE_URL": database_url, "DATABASE_ROLE": settings.DATABASE_ROLE})
    logins = database_logins(environment, embedded=None, secret_key=settings.SECRET_KEY)
    settings.DATABASE_LOGIN, settings.DATABASE_OWNER = logins.application, logins.owner
    options = {**logins.application.get("OPTIONS", {}), "options": parameters}
    connections["default"].settings_dict.update({**logins.application, "OPTIONS": options})


# Other work that needs a process whose Django uses the durable server.


def migrate(database_url: str) -> None:
    """Migrate a new database."""
    connect_to(database_url)
    call_command("migrate", verbosity=0, interactive=False)


def make_tenant(database_url: str, tenant_id: UUID, slug: str) -> None:
    """Create a tenant whose ledger the test writes to."""
    connect_to(database_url)
    Tenant.objects.create(id=tenant_id, slug=slug, name=slug, created_at=LONG_AGO)


def make_key(database_url: str, tenant_id: UUID, secret: str) -> None:
    """Create a key of that tenant that may report events."""
    connect_to(database_url)
    parsed = parse_key(secret)
    assert parsed is not None
    ApiKey.objects.create(
        id=uuid4(),
        tenant_id=tenant_id,
        kind=parsed.kind,
        name="sender",
        digest=parsed.digest,
        prefix=parsed.prefix,
        last_four=parsed.last_four,
        scopes=[Scope.EVENTS_WRITE.value],
        created_at=LONG_AGO,
    )


def report_drifts(database_url: str, tenant_id: UUID, report: Path) -> None:
    """Reconcile, and report what does not agree."""
    connect_to(database_url)
    found = reconcile(ledgers=ledgers(tenant_ids=[tenant_id]))
    assert found.ledgers
    report.write_text("\n".join(str(drift) for drift in found.drifts))


def run_apart(target: Callable[..., None], *arguments: object, seconds_max: float = GIVE_UP_AFTER_SECONDS) -> None:
    """Run one of these in a process of its own and wait for its end."""
    process = FORK_SERVER.Process(target=target, args=arguments)
    process.start()
    process.join(seconds_max)
    assert process.exitcode == 0, f"{target.__name__} ended with {process.exitcode}"


def fresh_ledger() -> Ledger:
    """Create a tenant and return its ledger, to which no test has written."""
    return Ledger(tenant_id=uuid4(), is_live=True, time_zone="UTC", backfill_days=35)
