"""Headers become variables as RFC 9110 says, and none can be taken for another."""

from io import BytesIO
from types import SimpleNamespace

import pytest

from config.serving.environ import HeaderError, environ_of


class Headers:
    """Headers as granian gives them. `hidden` counts values that its `items` leaves out."""

    def __init__(self, *items: tuple[str, str], hidden: int = 0) -> None:
        self._items, self._hidden = list(items), hidden

    def __len__(self) -> int:
        return len(self._items) + self._hidden

    def get(self, key: str, default: object = None) -> object:
        return dict(self._items).get(key, default)

    def items(self) -> list[tuple[str, str]]:
        return self._items


def environ(headers: Headers, length: int | None = None, **scope: str) -> dict[str, object]:
    given = {
        "method": "GET", "path": "/", "query_string": "", "scheme": "http", "http_version": "1.1",
        "client": "203.0.113.9:4711", "server": "127.0.0.1:8000",
    }  # fmt: skip
    return environ_of(SimpleNamespace(headers=headers, **(given | scope)), BytesIO(), length)


def test_a_request_becomes_an_environ_of_pep_3333() -> None:
    made = environ(Headers(("host", "a"), ("content-type", "x/y")), 3, method="POST", path="/é", query_string="a=%20")
    wanted = {
        "REQUEST_METHOD": "POST", "PATH_INFO": "/é".encode().decode("latin-1"), "QUERY_STRING": "a=%20",
        "CONTENT_TYPE": "x/y", "CONTENT_LENGTH": "3", "HTTP_HOST": "a", "REMOTE_ADDR": "203.0.113.9",
        "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8000", "SERVER_PROTOCOL": "HTTP/1.1",
    }  # fmt: skip
    assert {name: made[name] for name in wanted} == wanted
    assert environ(Headers(), client="[::1]:80", http_version="1")["REMOTE_ADDR"] == "::1"
    assert environ(Headers(), http_version="1")["SERVER_PROTOCOL"] == "HTTP/1.0"


def test_a_header_name_with_an_underscore_is_ignored() -> None:
    made = environ(Headers(("x-forwarded-for", "203.0.113.9"), ("x_forwarded_for", "10.0.0.1"), ("x_api_key", "k")))
    assert made["HTTP_X_FORWARDED_FOR"] == "203.0.113.9"
    assert "HTTP_X_API_KEY" not in made


def test_header_lines_of_one_name_are_joined() -> None:
    made = environ(Headers(("x-forwarded-for", "a"), ("cookie", "a=1"), ("x-forwarded-for", "b"), ("cookie", "b=2")))
    assert made["HTTP_X_FORWARDED_FOR"] == "a, b"
    assert made["HTTP_COOKIE"] == "a=1; b=2"


def test_a_header_value_that_is_not_ascii_is_refused() -> None:
    with pytest.raises(HeaderError, match="not ASCII"):
        environ(Headers(("x-forwarded-for", "b"), hidden=1))
