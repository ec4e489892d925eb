"""The sender over a real socket, with the library that receivers use at the other end."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings
from standardwebhooks import Webhook

from accounts.domain.public_addresses import read_networks
from accounts.models import Tenant
from accounts.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from accounts.webhooks.services.recording import Recorded
from accounts.webhooks.services.sending import send_webhooks
from tests.accounts.webhooks.world import make_endpoint, statuses, tell
from tests.faults.durable import await_that

HERE = "127.0.0.0/8"


class Receiver:
    """A receiver whose responses depend on the path. It keeps what it was sent."""

    def __init__(self) -> None:
        self.received: list[tuple[str, dict[str, str], bytes]] = []
        self.lock = Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                with receiver.lock:
                    receiver.received.append((self.path, headers, body))
                *_, wish = self.path.split("/")
                if wish.startswith("slow"):
                    time.sleep(1)
                self.send_response(int(wish) if wish.isdigit() else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)

    def ids(self, path: str) -> list[str]:
        return [headers["webhook-id"] for where, headers, _ in self.received if where == path]


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    settings.WEBHOOK_ALLOWED_NETWORKS = read_networks([HERE])
    receiver = Receiver()
    receiver.thread.start()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()
    receiver.thread.join(10)


def drain() -> Recorded:
    return asyncio.run(send_webhooks(clock=timezone.now, is_over=lambda: False, stops_when_idle=True))


@pytest.mark.takes_long("it starts Node")
@pytest.mark.django_db(transaction=True)
def test_what_arrives_is_verified_by_the_receivers_library(acme: Tenant, receiver: Receiver) -> None:
    fine = make_endpoint(acme, timezone.now(), url=f"{receiver.url}/in")
    down = make_endpoint(acme, timezone.now(), url=f"{receiver.url}/500").endpoint
    gone = make_endpoint(acme, timezone.now(), url=f"{receiver.url}/410").endpoint
    unreachable = make_endpoint(acme, timezone.now(), url="http://127.0.0.1:9/").endpoint
    tell(acme, timezone.now(), *["invoice.paid"] * 25)
    sent = drain()
    assert sent.succeeded == 25
    assert sent.disabled == 1
    assert sorted(receiver.ids("/in")) == sorted(
        str(one.event_id) for one in WebhookDelivery.objects.filter(endpoint=fine.endpoint)
    )
    for path, headers, body in receiver.received:
        if path == "/in":
            assert Webhook(fine.secret).verify(body, headers)["type"] == "invoice.paid"
            assert headers["user-agent"].startswith("Countinghouse-Webhooks/")
    assert set(statuses(fine.endpoint)) == {"succeeded"}
    assert set(statuses(down)) == {"pending"}
    assert set(statuses(gone)) == {"failed"}
    assert WebhookEndpoint.objects.get(pk=gone.pk).disabled_because == "gone"
    errors = WebhookAttempt.objects.filter(delivery__endpoint=unreachable).values_list("error", flat=True)
    assert set(errors) == {"No connection could be made."}
    assert not WebhookEndpoint.objects.exclude(lease=None).exists()


@pytest.mark.django_db(transaction=True)
def test_an_endpoint_whose_secret_is_lost_is_told_so_and_delays_no_one(
    acme: Tenant, receiver: Receiver, settings: Settings
) -> None:
    lost = make_endpoint(acme, timezone.now(), url=f"{receiver.url}/in").endpoint
    settings.SECRET_KEY = "another signing secret, after the first was thrown away without a fallback"
    make_endpoint(acme, timezone.now(), url=f"{receiver.url}/in")
    tell(acme, timezone.now())
    assert drain().succeeded == 1
    attempt = WebhookAttempt.objects.get(delivery__endpoint=lost)
    assert attempt.error == "The endpoint's secret cannot be read: rotate it."


SENDER = [sys.executable, "manage.py", "send_webhooks"]


@pytest.mark.soak
@pytest.mark.django_db(transaction=True)
def test_senders_killed_at_any_moment_lose_nothing_and_send_the_same_ids(
    acme: Tenant, receiver: Receiver, process_environment: dict[str, str]
) -> None:
    slow = make_endpoint(acme, timezone.now(), url=f"{receiver.url}/slow").endpoint
    quick = make_endpoint(acme, timezone.now(), url=f"{receiver.url}/quick").endpoint
    tell(acme, timezone.now(), *["invoice.paid"] * 30)
    environment = process_environment | {"WEBHOOK_ALLOWED_NETWORKS": HERE}
    for wanted in (1, 11):
        sender = subprocess.Popen(SENDER, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)
        await_that(lambda wanted=wanted: len(receiver.ids("/slow")) >= wanted)  # type: ignore[misc] # bound by its default
        with suppress(ProcessLookupError):
            os.killpg(sender.pid, signal.SIGKILL)  # in the middle of a slow answer
        sender.wait(10)
        WebhookEndpoint.objects.exclude(lease=None).update(leased_until=timezone.now(), due_at=timezone.now())
    last = subprocess.run([*SENDER, "--once"], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert last.returncode == 0, last.stderr
    for endpoint, path in ((slow, "/slow"), (quick, "/quick")):
        assert statuses(endpoint) == ["succeeded"] * 30
        ids = Counter(receiver.ids(path))
        assert ids.keys() == {str(one.event_id) for one in WebhookDelivery.objects.filter(endpoint=endpoint)}
    assert max(Counter(receiver.ids("/slow")).values()) > 1  # the control: some were in the air, and were sent again


@pytest.mark.soak
@pytest.mark.django_db(transaction=True)
def test_a_sender_that_is_asked_to_stop_finishes_what_it_began(
    acme: Tenant, receiver: Receiver, process_environment: dict[str, str]
) -> None:
    endpoint = make_endpoint(acme, timezone.now(), url=f"{receiver.url}/slow").endpoint
    environment = process_environment | {"WEBHOOK_ALLOWED_NETWORKS": HERE}
    sender = subprocess.Popen(SENDER, env=environment, stdout=subprocess.PIPE, text=True)
    tell(acme, timezone.now())
    await_that(lambda: len(receiver.received) == 1)
    sender.terminate()
    said, _ = sender.communicate(timeout=20)
    assert (sender.returncode, said) == (0, "1 succeeded, 0 failed, 0 endpoints disabled\n")
    assert statuses(endpoint) == ["succeeded"]
    assert WebhookEndpoint.objects.get().lease is None
