"""P27: neither slow clients nor a silent provider hold the web server. SIGTERM lets it finish running requests.

The test runs one process with one thread a pool, so that a single held thread would show. It takes more than five
seconds: it starts a web server and waits for deadlines of a second or two.
"""

import signal
import threading
from contextlib import ExitStack

import pytest
from django.conf import settings

from accounts.domain.roles import Role
from accounts.domain.scopes import Scope
from accounts.models import Circuit
from tests.metering.ledger_world import make_key, make_meter, make_tenant
from tests.portal.conftest import join, make_user, signed_in
from tests.security.web import SilentService, WebServer, web_server

BODY_SECONDS = 2
OUTSIDE_SECONDS = 2
SENDERS = 30
TOKEN = "x" * 32

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.takes_long("it starts a web server, and waits for its deadlines"),
]


def test_nothing_holds_the_server(process_environment: dict[str, str]) -> None:
    acme, alice = make_tenant("acme"), make_user("alice@example.com")
    join(alice, acme, Role.OWNER)
    _, key = make_key(acme, scopes=[Scope.EVENTS_WRITE])
    make_meter("requests", "http_request")
    session = signed_in(alice).cookies[settings.SESSION_COOKIE_NAME].value
    with ExitStack() as stack:
        stripe = stack.enter_context(SilentService())
        environment = process_environment | {
            "STRIPE_SECRET_KEY": "sk_test_countinghouseFakeStripe000",
            "STRIPE_API_HOST": stripe.address,
            "no_proxy": "*",
            "PAGE_THREADS": "1",
            "BODY_SECONDS": str(BODY_SECONDS),
            "OUTSIDE_SECONDS": str(OUTSIDE_SECONDS),
        }
        server = stack.enter_context(web_server(environment))
        assert server.send_event(key, "first")[0] == 201

        unfinished_bodies_hold_no_thread(server, key)
        answers_that_are_not_read_hold_no_thread(server, key)
        a_silent_provider_holds_no_call(server, stripe, key, session)
        the_third_time_it_is_not_asked(server, session)
        what_is_in_hand_is_finished(server, stripe, session)


def unfinished_bodies_hold_no_thread(server: WebServer, key: str) -> None:
    senders = [server.idle_sender() for _ in range(SENDERS)]
    status, seconds = server.send_event(key, "beside idle senders")
    assert (status, seconds < 1) == (201, True), seconds
    # Each client gets a response, and its connection is closed, when its time is over.
    for sender in senders:
        with sender:
            assert b" 408 " in sender.recv(4096)


def answers_that_are_not_read_hold_no_thread(server: WebServer, key: str) -> None:
    readers = [server.slow_reader("/api/schema/") for _ in range(3)]
    assert server.ask("GET", "/accounts/login/")[0] == 200
    assert server.send_event(key, "beside slow readers")[0] == 201
    for reader in readers:
        reader.close()


def click_on_card(server: WebServer, session: str) -> tuple[int, str, float]:
    cookies = f"{settings.SESSION_COOKIE_NAME}={session}; {settings.CSRF_COOKIE_NAME}={TOKEN}"
    headers = {"Cookie": cookies, "X-CSRFToken": TOKEN}
    status, _, text, seconds = server.ask("POST", "/t/acme/plan/card/", b"", headers)
    return status, text, seconds


def a_silent_provider_holds_no_call(server: WebServer, stripe: SilentService, key: str, session: str) -> None:
    answers: list[tuple[int, str, float]] = []
    click = threading.Thread(target=lambda: answers.append(click_on_card(server, session)))
    click.start()
    stripe.await_call()
    status, seconds = server.send_event(key, "beside a click")
    assert (status, seconds < 1) == (201, True), seconds
    assert click.is_alive(), "the page had not been waiting"
    click.join(60)
    [(status, text, seconds)] = answers
    assert (status, seconds < OUTSIDE_SECONDS + 2) == (503, True), (text, seconds)
    assert "Stripe is not responding" in text


def the_third_time_it_is_not_asked(server: WebServer, session: str) -> None:
    for _ in range(2):
        assert click_on_card(server, session)[0] == 503
    status, text, seconds = click_on_card(server, session)
    assert (status, seconds < OUTSIDE_SECONDS / 2) == (503, True), seconds
    assert "It is called again in" in text
    assert "Try again in" in text
    assert Circuit.objects.get().opened_at
    assert 'countinghouse_circuit_state{service="stripe",state="open"} 1' in server.ask("GET", "/metrics")[2]


def what_is_in_hand_is_finished(server: WebServer, stripe: SilentService, session: str) -> None:
    Circuit.objects.all().delete()
    stripe.take_what_waits()
    answers: list[tuple[int, str, float]] = []
    click = threading.Thread(target=lambda: answers.append(click_on_card(server, session)))
    click.start()
    stripe.await_call()
    server.process.send_signal(signal.SIGTERM)
    click.join(60)
    assert [status for status, *_ in answers] == [503]
    assert server.process.wait(60) == 0
