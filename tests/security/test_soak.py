"""P27 under load: slow clients, a stopped Stripe and a stopped Redis cost ingest less than a fifth of its rate.

The control is the server as it was: one thread a process that reads bodies itself. `make soak` runs it.
"""

import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException

import pytest
from django.conf import settings
from django.db import connection

from accounts.domain.roles import Role
from accounts.domain.scopes import Scope
from accounts.models import Circuit
from metering.models import QuotaPeriod, UsagePlan, UsagePlanAssignment, UsagePlanQuota
from tests.bench.load import Load, measure
from tests.bench.requests import event_json, single_events
from tests.bench.rig import CHECKOUT, await_listener, free_port
from tests.metering.ledger_world import LONG_AGO, make_key, make_meter, make_tenant
from tests.portal.conftest import join, make_user, signed_in
from tests.security.web import WebServer, web_server

RATIO_LEAST = 0.8
CLIENTS, WORKERS, SECONDS = 4, 2, 6
IDLE, DRIPPING = 60, 40
CLICKS_PAUSE_SECONDS = 0.5
TOKEN = "x" * 32

pytestmark = [
    pytest.mark.soak,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not shutil.which("redis-server"), reason="there is no Redis to stop"),
]


@dataclass(frozen=True)
class Subjects:
    """The senders: a key without limits, one with a quota that Redis counts, and a member's session."""

    free: str
    limited: str
    session: str


@pytest.fixture
def subjects() -> Subjects:
    meter = make_meter("requests", "http_request")
    acme, limited, alice = make_tenant("acme"), make_tenant("limited"), make_user("alice@example.com")
    join(alice, acme, Role.OWNER)
    plan = UsagePlan.objects.create(code="plenty", name="Plenty", created_at=LONG_AGO)
    UsagePlanQuota.objects.create(
        usage_plan=plan, meter_id=meter.id, period=QuotaPeriod.MONTH, limit=10**9, is_hard=True
    )
    UsagePlanAssignment.objects.create(tenant=limited, usage_plan=plan, assigned_at=LONG_AGO)
    free_key, limited_key = (make_key(tenant, scopes=[Scope.EVENTS_WRITE])[1] for tenant in (acme, limited))
    session = signed_in(alice).cookies[settings.SESSION_COOKIE_NAME].value
    connection.close()  # the process that measures forks
    return Subjects(free=free_key, limited=limited_key, session=session)


@contextmanager
def program(port: int, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.DEVNULL)
    try:
        await_listener(port)
        yield process
    finally:
        process.kill()
        process.wait(60)


@contextmanager
def clicking(*clicks: Callable[[], object]) -> Iterator[None]:
    """Send each request again and again, with a pause, whatever the response."""
    is_over = threading.Event()

    def repeat(click: Callable[[], object]) -> None:
        while not is_over.wait(CLICKS_PAUSE_SECONDS):
            with suppress(OSError, HTTPException):
                click()

    threads = [threading.Thread(target=repeat, args=(click,), daemon=True) for click in clicks]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join(70)


@contextmanager
def slow_senders(server: WebServer) -> Iterator[None]:
    """Start clients that stop in the middle of a body, and ones that send a byte now and then.

    A cut-off client returns.
    """
    lines: list[socket.socket] = []
    with ExitStack() as stack:
        stack.callback(close_all, lines)
        lines += [server.idle_sender() for _ in range(IDLE + DRIPPING)]

        def drip() -> None:
            for number in range(DRIPPING):
                try:
                    lines[number].sendall(b" ")
                except OSError:
                    lines[number].close()
                    lines[number] = server.idle_sender()

        with clicking(drip):
            yield


def close_all(lines: list[socket.socket]) -> None:
    for line in lines:
        line.close()


def click_on_card(server: WebServer, session: str) -> object:
    cookies = f"{settings.SESSION_COOKIE_NAME}={session}; {settings.CSRF_COOKIE_NAME}={TOKEN}"
    return server.ask("POST", "/t/acme/plan/card/", b"", {"Cookie": cookies, "X-CSRFToken": TOKEN})


def authorize(server: WebServer, key: str) -> object:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    return server.ask("POST", "/api/v1/authorize", event_json(f"a-{time.monotonic_ns()}", 1).encode(), headers)


@contextmanager
def troubles(
    server: WebServer, subjects: Subjects, stripe: subprocess.Popen[bytes], redis: subprocess.Popen[bytes]
) -> Iterator[None]:
    """Stop Stripe and Redis, click on what calls Stripe, call what calls Redis, and start senders that stop."""
    for process in (stripe, redis):
        process.send_signal(signal.SIGSTOP)
    try:
        clicks = [lambda: click_on_card(server, subjects.session)] * 3
        with slow_senders(server), clicking(*clicks, lambda: authorize(server, subjects.limited)):
            yield
    finally:
        for process in (stripe, redis):
            process.send_signal(signal.SIGCONT)


def ingest(server: WebServer, key: str, tag: str) -> Load:
    return measure(server.port, single_events([key], tag), clients=CLIENTS, seconds=SECONDS, expected=201)


def test_ingest_keeps_its_rate_beside_slow_clients_and_stopped_services(
    process_environment: dict[str, str], subjects: Subjects, capsys: pytest.CaptureFixture[str]
) -> None:
    stripe_port, redis_port = free_port(), free_port()
    fake = (sys.executable, "-m", "config.workbench.fakestripe", "--port", str(stripe_port))
    store = ("redis-server", "--port", str(redis_port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
    environment = process_environment | {
        "STRIPE_SECRET_KEY": "sk_test_countinghouseFakeStripe000",
        "STRIPE_API_HOST": f"http://127.0.0.1:{stripe_port}",
        "REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
        "no_proxy": "*",
        "LOG_LEVEL": "CRITICAL",
    }
    with ExitStack() as stack:
        stripe = stack.enter_context(program(stripe_port, *fake))
        redis = stack.enter_context(program(redis_port, *store))
        with web_server(environment, workers=WORKERS) as server:
            quiet, troubled = [], []
            for round_ in range(2):  # in turn, since the machine may have other things to do
                quiet.append(ingest(server, subjects.free, f"quiet-{round_}").rate)
                with troubles(server, subjects, stripe, redis):
                    troubled.append(ingest(server, subjects.free, f"troubled-{round_}").rate)
            opened = Circuit.objects.filter(name="stripe", opened_at__isnull=False).exists()
        Circuit.objects.all().delete()
        with web_server(environment, workers=WORKERS, is_as_before=True) as server:
            server.send_event(subjects.free, "warm")
            with troubles(server, subjects, stripe, redis):
                before = stored_within(server, subjects.free, SECONDS)
    ratio = sum(troubled) / sum(quiet)
    with capsys.disabled():
        print(
            f"\ningest, events/s: {sum(quiet) / 2:.0f} quiet, {sum(troubled) / 2:.0f} in trouble, ratio {ratio:.2f};"
            f" the server as it was, in trouble: {before / SECONDS:.1f}"
        )
    assert opened
    assert ratio >= RATIO_LEAST
    assert before / SECONDS < sum(quiet) / 2 * 0.2, "the control does not show what the pools are for"


def stored_within(server: WebServer, key: str, seconds: int) -> int:
    """Return how many events one sender after the other could store."""
    stored, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        with suppress(OSError, HTTPException):
            body, headers = event_json(f"b-{stored}-{time.monotonic_ns()}", 1).encode(), {}
            headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
            stored += server.ask("POST", "/api/v1/events", body, headers, timeout=seconds)[0] == 201
    return stored
