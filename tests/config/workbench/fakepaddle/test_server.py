"""The fake Paddle: its state survives a kill, and its webhooks are repeated until they are accepted."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from config.workbench.fakepaddle.server import FakePaddle, signature
from config.workbench.fakepaddle.store import PaddleStore
from tests.fakepaddle.fixture import WEBHOOK_SECRET
from tests.fakestripe import shopper


def test_a_killed_fake_loses_nothing_that_a_caller_has_seen(tmp_path: Path) -> None:
    file = tmp_path / "paddle.jsonl"
    first = PaddleStore(file)
    made = first.add("customer", email="ada@acme.example")
    first.emit("customer.created", made)
    first.commit()
    first.update(made, email="lost@acme.example")  # no response was sent: it was killed before
    second = PaddleStore(file)
    assert [one["email"] for one in second.all("customer")] == ["ada@acme.example"]
    assert [event["type"] for event in second.all("event")] == ["customer.created"]


def test_an_event_is_sent_signed_and_again_until_it_is_accepted(fake_paddle: FakePaddle) -> None:
    received: list[tuple[bytes, str]] = []
    answers = iter([500, 500])

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received.append((body, self.headers["Paddle-Signature"]))
            self.send_response(next(answers, 200))
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    receiver = HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        fake_paddle.deliveries.send_to(f"http://127.0.0.1:{receiver.server_address[1]}/", WEBHOOK_SECRET)
        with fake_paddle.store.lock:
            fake_paddle.store.emit("customer.created", fake_paddle.store.add("customer", email="ada@acme.example"))
        fake_paddle.flush()
        assert fake_paddle.deliveries.wait_until_idle()
    finally:
        receiver.shutdown()
        receiver.server_close()
    assert len({body for body, _ in received}) == 1
    assert len(received) == 3
    body, header = received[-1]
    timestamp = int(header.partition(";")[0].removeprefix("ts="))
    assert header == signature(body, WEBHOOK_SECRET, timestamp=timestamp)
    assert json.loads(body)["data"]["email"] == "ada@acme.example"


def test_pages_that_do_not_exist_say_so_and_the_test_routes_are_for_programs(fake_paddle: FakePaddle) -> None:
    assert shopper.open_page(f"{fake_paddle.url}/else").status == 404
    assert shopper.open_page(f"{fake_paddle.url}/checkout?_ptxn=txn_nothing").status == 404
    assert shopper.open_page(f"{fake_paddle.url}/").status == 200
    assert shopper.open_page(f"{fake_paddle.url}/style.css").status == 200
    assert shopper.open_page(f"{fake_paddle.url}/_test/health").status == 200
    assert shopper.open_page(f"{fake_paddle.url}/_test/else").status == 404
    assert shopper.open_page(f"{fake_paddle.url}/_test/pause?id=sub_nothing").status == 400


def test_a_subscription_renews_by_the_clock_and_ends_if_it_was_to(fake_paddle: FakePaddle) -> None:
    with fake_paddle.store.lock:
        due = fake_paddle.store.stamp()
        fields: dict[str, Any] = {"items": [], "first_billed_at": None, "next_billed_at": due}
        kept = fake_paddle.store.add("subscription", status="trialing", scheduled_change=None, **fields)
        ending = fake_paddle.store.add("subscription", status="active", scheduled_change={"action": "cancel"}, **fields)
    fake_paddle.advance(60)
    assert (kept["status"], ending["status"]) == ("active", "canceled")
    assert kept["next_billed_at"] > due
    assert [event["event_type"] for event in fake_paddle.events("subscription.canceled")] == ["subscription.canceled"]
