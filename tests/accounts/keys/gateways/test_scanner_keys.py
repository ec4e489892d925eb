"""The scanner's public keys: fetched from its address, kept for hours, asked for again at most once a minute."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pytest_django import Settings

from accounts.errors import StoreUnavailableError
from accounts.keys.gateways.scanner_keys import BYTES_MAX, forget_scanner_keys, is_scanner_known, scanner_key
from tests.accounts.keys.scanner import IDENTIFIER, SCANNER_KEY, pem_of

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PUBLISHED = {"public_keys": [{"key_identifier": IDENTIFIER, "key": pem_of(), "is_current": True}]}


class Address:
    """The scanner's address: what it returns, and how often it was asked."""

    def __init__(self) -> None:
        self.status, self.body, self.headers = 200, json.dumps(PUBLISHED).encode(), {"X": "y"}
        self.asked = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                self.send_response(outer.status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(outer.body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/keys"


@pytest.fixture
def address(settings: Settings) -> Iterator[Address]:
    found = Address()
    thread = threading.Thread(target=found.server.serve_forever, args=(0.02,))
    thread.start()
    settings.LEAK_SCANNER_KEYS, settings.LEAK_SCANNER_KEYS_URL = {}, found.url
    forget_scanner_keys()
    yield found
    forget_scanner_keys()
    found.server.shutdown()
    found.server.server_close()
    thread.join(timeout=30)


def test_keys_are_fetched_once_in_hours_and_lost_if_no_longer_published(address: Address) -> None:
    assert is_scanner_known()
    for minutes in (0, 10, 300):
        key = scanner_key(IDENTIFIER, as_of=NOW + timedelta(minutes=minutes))
        assert key == SCANNER_KEY.public_key()
    assert address.asked == 1
    address.body = b'{"public_keys": []}'
    assert scanner_key(IDENTIFIER, as_of=NOW + timedelta(hours=6)) is None


def test_unknown_identifiers_cause_one_call_a_minute(address: Address) -> None:
    for number in range(50):
        assert scanner_key(f"forged-{number}", as_of=NOW + timedelta(milliseconds=number)) is None
    assert address.asked == 1
    assert scanner_key("forged", as_of=NOW + timedelta(minutes=1)) is None
    assert address.asked == 2


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, b""), (302, b""), (200, b"no json"), (200, b" " * (BYTES_MAX + 1))],
    ids=["error", "redirect", "no JSON", "too large"],
)
def test_an_address_that_returns_no_keys_is_an_outage_and_asked_again_after_a_minute(
    address: Address, status: int, body: bytes
) -> None:
    published, address.status, address.body = address.body, status, body
    address.headers = {"Location": f"{address.url}/elsewhere"}
    for seconds in (0, 30):
        with pytest.raises(StoreUnavailableError):
            scanner_key(IDENTIFIER, as_of=NOW + timedelta(seconds=seconds))
    assert address.asked == 1
    address.status, address.body = 200, published
    assert scanner_key(IDENTIFIER, as_of=NOW + timedelta(minutes=1)) is not None


def test_keys_that_are_known_outlast_an_outage_for_unknown_identifiers(address: Address) -> None:
    assert scanner_key(IDENTIFIER, as_of=NOW) is not None
    address.status = 500
    with pytest.raises(StoreUnavailableError):
        scanner_key("another", as_of=NOW + timedelta(minutes=2))
    assert scanner_key(IDENTIFIER, as_of=NOW + timedelta(minutes=3)) is not None
