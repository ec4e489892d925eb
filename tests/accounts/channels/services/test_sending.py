"""The sender: each notice once in each channel, whatever the receiver does, and wherever the sender is killed."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings
from standardwebhooks import Webhook

from accounts.channels.domain.terms import ChannelTerms
from accounts.channels.domain.types import ChannelType
from accounts.channels.models import Channel, ChannelMessage
from accounts.channels.services.channels import create_channel
from accounts.channels.services.claiming import LEASE
from accounts.channels.services.sending import KEY_LOST, run_channels, send_channels
from accounts.channels.tasks import send_channels as task
from accounts.domain.public_addresses import read_networks
from accounts.gateways.outbound import Outbound, Reply
from accounts.models import Tenant
from tests.accounts.channels.world import (
    CUT_OFF,
    SYSTEM,
    UNREACHABLE,
    Wire,
    make_channel,
    statuses,
    tell,
)

HERE = "127.0.0.0/8"
SENDER = [sys.executable, "manage.py", "send_channels"]


def test_each_notice_is_sent_once_to_each_channel(acme: Tenant, now: datetime) -> None:
    channels = [make_channel(acme, now, kind) for kind in ChannelType if kind is not ChannelType.MAIL]
    for number in range(3):
        tell(acme, now, title=f"Notice {number}")
    wire = Wire()
    assert send_channels(clock=lambda: now, outbound=wire).sent == 3 * len(channels)
    assert send_channels(clock=lambda: now, outbound=wire).sent == 0
    assert len(wire.sent) == 3 * len(channels)
    slack = [json.loads(body)["text"] for url, body, _ in wire.sent if "slack" in url]
    assert slack == ["Notice 0", "Notice 1", "Notice 2"]


def test_a_failure_is_tried_again_and_one_that_may_have_arrived_is_not(acme: Tenant, now: datetime) -> None:
    replies = {"slack": CUT_OFF, "discord": UNREACHABLE, "example": CUT_OFF}
    slack, discord, webhook = (
        make_channel(acme, now, kind) for kind in (ChannelType.SLACK, ChannelType.DISCORD, ChannelType.WEBHOOK)
    )
    tell(acme, now)
    wire = Wire(lambda url: next(reply for name, reply in replies.items() if name in url))
    sent = send_channels(clock=lambda: now, outbound=wire)
    assert (sent.unknown, sent.retried) == (1, 2)
    later = now + timedelta(minutes=1)
    assert send_channels(clock=lambda: later, outbound=Wire()).sent == 2
    assert [statuses(one) for one in (slack, discord, webhook)] == [["unknown"], ["sent"], ["sent"]]


def test_retry_after_lengthens_a_wait_and_one_channel_delays_no_other(acme: Tenant, now: datetime) -> None:
    make_channel(acme, now, ChannelType.SLACK)
    fine = make_channel(acme, now, ChannelType.DISCORD)
    tell(acme, now)
    busy = Reply(429, "HTTP 429", retry_after="600")
    send_channels(clock=lambda: now, outbound=Wire(lambda url: busy if "slack" in url else Reply(204, "")))
    assert statuses(fine) == ["sent"]
    assert ChannelMessage.objects.get(status="pending").next_attempt_at == now + timedelta(minutes=10)


def test_a_channel_whose_secret_is_lost_says_so(acme: Tenant, now: datetime, settings: Settings) -> None:
    make_channel(acme, now)
    tell(acme, now)
    settings.SECRET_KEY = "another signing secret, after the first was thrown away without a fallback"
    wire = Wire()
    assert send_channels(clock=lambda: now, outbound=wire).retried == 1
    assert Channel.objects.get().last_error == KEY_LOST
    assert not wire.sent


def test_the_job_needs_attention_if_a_message_failed_for_good(acme: Tenant, now: datetime) -> None:
    assert task() == "succeeded"
    make_channel(acme, now)
    tell(acme, now)
    ChannelMessage.objects.update(attempts=9)
    run = run_channels(started_by="test", as_of=now, clock=timezone.now, is_over=lambda: True)
    assert run.summary == {"sent": 0, "failed": 0, "unknown": 0, "retried": 0}


@pytest.mark.parametrize("kind", [ChannelType.SLACK, ChannelType.DISCORD, ChannelType.TEAMS, ChannelType.WEBHOOK])
def test_a_name_that_leads_into_a_private_network_is_not_connected_to(
    acme: Tenant, now: datetime, kind: ChannelType
) -> None:
    looked_up: list[str] = []

    def rebinding(host: str, port: int) -> list[tuple[Any, ...]]:
        looked_up.append(host)
        addresses = ("127.0.0.1", "169.254.169.254", "::ffff:10.0.0.1", "fd00::1")
        address = addresses[len(looked_up) % len(addresses)]
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (address, port))]

    make_channel(acme, now, kind)
    for _ in range(4):
        tell(acme, now)
    sent = send_channels(clock=lambda: now, outbound=lambda: Outbound(look_up=rebinding, seconds_max=2))
    assert (sent.retried, sent.sent) == (4, 0)
    assert len(looked_up) == 4
    errors = set(ChannelMessage.objects.values_list("error", flat=True))
    assert errors == {"The host leads to an address that is not public."}


class KillingReceiver:
    """A receiver that keeps what it was sent, and kills the process that sends it, if there is one."""

    def __init__(self) -> None:
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.victim: subprocess.Popen[bytes] | None = None
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.received.append(({name.lower(): text for name, text in self.headers.items()}, body))
                if receiver.victim is not None:
                    receiver.victim.kill()
                    receiver.victim.wait(30)
                    return
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/in"
        self.thread = Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)


@pytest.fixture
def receiver(settings: Settings) -> Iterator[KillingReceiver]:
    settings.WEBHOOK_ALLOWED_NETWORKS = read_networks([HERE])
    receiver = KillingReceiver()
    receiver.thread.start()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()
    receiver.thread.join(10)


@pytest.mark.takes_long("starts a sender of its own, which is killed in the middle of a message")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", [ChannelType.SLACK, ChannelType.WEBHOOK], ids=["the rule", "the control"])
def test_a_sender_that_is_killed_while_a_message_arrives_repeats_it_only_where_it_is_recognized(
    acme: Tenant, receiver: KillingReceiver, process_environment: dict[str, str], kind: ChannelType
) -> None:
    created = create_channel(
        tenant=acme,
        membership=None,
        channel_type=ChannelType.WEBHOOK,
        terms=ChannelTerms("Program", receiver.url),
        actor=SYSTEM,
        as_of=timezone.now(),
    )
    Channel.objects.update(type=kind)  # Slack's own address cannot be reached here
    tell(acme, timezone.now())
    receiver.victim = subprocess.Popen(SENDER, env=process_environment | {"WEBHOOK_ALLOWED_NETWORKS": HERE})
    assert receiver.victim.wait(timeout=120) == -signal.SIGKILL
    receiver.victim = None
    assert len(receiver.received) == 1

    def later() -> datetime:
        return timezone.now() + LEASE

    send_channels(clock=later)
    send_channels(clock=later)
    if kind is ChannelType.SLACK:
        assert len(receiver.received) == 1
        assert statuses(created.channel) == ["unknown"]
        return
    ids = {
        Webhook(created.secret).verify(body, headers) and headers["webhook-id"] for headers, body in receiver.received
    }
    assert len(receiver.received) == 2  # so the rig sees a message that is sent twice
    assert len(ids) == 1
    assert statuses(created.channel) == ["sent"]
