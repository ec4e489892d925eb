"""A person at the fake's pages, without a browser: types a card, presses a button."""

import dataclasses
import http.client
from urllib.parse import urlencode, urlsplit

GOOD, DECLINED, NO_FUNDS, FAILS_LATER = "4242424242424242", "4000000000000002", "4000000000009995", "4000000000000341"
CONFIRMED = "4000002760003184"  # its bank asks for a confirmation if it is charged without its owner


@dataclasses.dataclass(frozen=True)
class Seen:
    """The response: the page, or the address to which it redirects."""

    status: int
    text: str
    location: str


def open_page(url: str) -> Seen:
    return _ask("GET", url, {})


def type_card(url: str, number: str = GOOD, *, expiry: str = "12 / 40", cvc: str = "123", **fields: str) -> Seen:
    """Fill in the card form of a page, and send it."""
    return _ask("POST", url, {"number": number, "expiry": expiry, "cvc": cvc, "name": "Ada Lovelace", **fields})


def press(url: str, do: str, id_: str) -> Seen:
    """Press a button of the billing portal: `default`, `remove`, `cancel` or `renew`."""
    return _ask("POST", url, {"do": do, "id": id_})


def _ask(method: str, url: str, fields: dict[str, str]) -> Seen:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request(method, f"{parts.path}?{parts.query}", urlencode(fields), headers)
        response = connection.getresponse()
        return Seen(response.status, response.read().decode(), response.headers.get("Location") or "")
    finally:
        connection.close()
