"""The fake's file, and the fake as a process of its own."""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stripe

from config.workbench.fakestripe.errors import StripeError
from config.workbench.fakestripe.server import FakeStripe
from config.workbench.fakestripe.store import Store
from tests.fakestripe.fixture import SECRET_KEY


def test_a_store_remembers_what_it_committed(tmp_path: Path) -> None:
    file = tmp_path / "stripe.jsonl"
    store = Store(file)
    kept, changed, gone = (store.add("customer", email=f"{name}@x.example") for name in ("kept", "changed", "gone"))
    store.commit()
    store.update(changed, email="new@x.example")
    store.remove("customer", gone["id"])
    store.commit()
    store.add("customer", email="uncommitted@x.example")
    for _ in range(2):  # the content that was read is written again, and read again
        again = Store(file)
        assert [item["email"] for item in again.all("customer")] == ["kept@x.example", "new@x.example"]
        assert again.find(kept["id"]) == kept


def test_a_line_that_was_cut_short_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "stripe.jsonl"
    store = Store(file)
    store.add("customer", email="a@x.example")
    store.commit()
    with file.open("a") as journal:
        journal.write('["customer", "cus_half", {"id": "cus')
    assert len(Store(file).all("customer")) == 1


def test_the_clock_stays_moved_and_old_events_are_forgotten(tmp_path: Path) -> None:
    file = tmp_path / "stripe.jsonl"
    store = Store(file)
    store.add("event", type="x")
    customer = store.add("customer")
    store.advance(31 * 86_400)
    store.commit()
    again = Store(file)
    assert again.now() - customer["created"] >= 31 * 86_400
    assert not again.all("event")
    assert again.all("customer")


def test_a_store_without_memory_leaves_no_file(tmp_path: Path) -> None:
    store = Store(tmp_path / "stripe.jsonl")
    store.add("customer")
    store.commit()
    store.clear()
    assert not store.all("customer")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.wait(120)
        assert process.stdout is not None
        process.stdout.close()


def start(processes: list[subprocess.Popen[str]], file: Path) -> stripe.StripeClient:
    command = [sys.executable, "-m", "config.workbench.fakestripe", "--port", "0", "--state", str(file)]
    root = Path(__file__).resolve().parents[4]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root, env={**os.environ})
    processes.append(process)
    assert process.stdout is not None
    url = process.stdout.readline().split()[-1]
    return stripe.StripeClient(SECRET_KEY, base_addresses={"api": url})


def test_a_process_that_was_killed_has_forgotten_nothing(
    processes: list[subprocess.Popen[str]], tmp_path: Path
) -> None:
    file = tmp_path / "stripe.jsonl"
    client = start(processes, file)
    made = client.v1.customers.create({"email": "a@x.example"})
    processes[0].kill()
    processes[0].wait(120)
    client = start(processes, file)
    assert client.v1.customers.retrieve(made.id).email == "a@x.example"
    processes[1].send_signal(signal.SIGTERM)
    assert processes[1].wait(10) == 0


# What tests may change over HTTP


def test_the_test_routes_do_what_the_methods_do(fake_stripe: FakeStripe) -> None:
    def ask(verb: str, route: str, **given: str) -> Any:
        return fake_stripe.control.respond(verb, route, given)["result"]

    ask("POST", "fail", path="/v1/customers", status="500", times="1", method="POST")
    ask("POST", "latency", seconds="0.01")
    stripe.Customer.create(email="a@x.example")
    assert [request["path"] for request in ask("GET", "requests")] == ["/v1/customers"] * 2
    before = fake_stripe.store.now()
    ask("POST", "advance", seconds="1000")
    assert fake_stripe.store.now() >= before + 1000
    assert fake_stripe.deliveries.wait_until_idle()  # else the event of the customer waits as well
    ask("POST", "mode", paused="true", copies="2")
    ask("POST", "resend", event=fake_stripe.events()[0]["id"])
    assert len(fake_stripe.deliveries.queue) == 2
    assert ask("GET", "deliveries") == []
    assert ask("GET", "usage") == []
    ask("POST", "reset")
    assert not fake_stripe.events()
    assert ask("GET", "health") == "ready"
    with pytest.raises(StripeError, match="no such test route"):
        ask("GET", "elsewhere")


@pytest.mark.parametrize(("origin", "status"), [("", 200), ("http://evil.example", 403)])
def test_a_page_cannot_reach_the_test_routes(fake_stripe: FakeStripe, origin: str, status: int) -> None:
    connection = http.client.HTTPConnection(fake_stripe.url.removeprefix("http://"), timeout=5)
    connection.request("POST", "/_test/reset", "", {"Origin": origin} if origin else {})
    assert connection.getresponse().status == status
    connection.close()


def test_time_passes_by_itself_in_a_demonstration(fake_stripe: FakeStripe) -> None:
    fake = FakeStripe(is_ticking=True)
    fake.start()
    try:
        client = stripe.StripeClient(SECRET_KEY, base_addresses={"api": fake.url})
        price = client.v1.prices.create(
            {"currency": "eur", "unit_amount": 0, "recurring": {"interval": "day"}, "product_data": {"name": "Daily"}}
        )
        customer = client.v1.customers.create({})
        made = client.v1.subscriptions.create({"customer": customer.id, "items": [{"price": price.id}]})
        with fake.store.lock:
            fake.store.advance(86_401)
        fake.ticked_at = time.monotonic() - 60
        deadline = time.monotonic() + 10
        while client.v1.subscriptions.retrieve(made.id).latest_invoice == made.latest_invoice:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        fake.stop()
