"""The sites that may frame a page: an origin, and nothing that could end or widen a policy."""

import pytest

from accounts.domain.embed_token import checked_site, origin_of
from accounts.errors import AudienceNotAllowedError, InvalidFieldsError


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://app.example.com", "https://app.example.com"),
        ("HTTPS://App.Example.com/", "https://app.example.com"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("https://[::1]:8443", "https://[::1]:8443"),
    ],
)
def test_an_origin_is_scheme_host_and_port(text: str, origin: str) -> None:
    assert origin_of(text) == origin


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        "https://*",
        "https://*.example.com",
        "https://",
        "app.example.com",
        "//app.example.com",
        "ftp://app.example.com",
        "javascript:alert(1)",
        "data:text/html,x",
        "https://app.example.com/path",
        "https://app.example.com?x",
        "https://app.example.com#x",
        "https://user@app.example.com",
        "https://app.example.com:port",
        "https://app.example.com:99999",
        "https://app.example.com; script-src *",
        "https://app.example.com 'self'",
        "https://app.example.com,https://b.example.com",
        "https://app.example.com\n",
        "https://\u00e4pp.example.com",
        "https://[::1",
        "'none'",
    ],
)
def test_what_is_no_plain_origin_is_refused(text: str) -> None:
    assert origin_of(text) == ""
    with pytest.raises(InvalidFieldsError):
        checked_site(text, allowed=[""])


def test_a_site_must_be_allowed() -> None:
    assert checked_site("https://a.example/", allowed=["https://a.example"]) == "https://a.example"
    with pytest.raises(AudienceNotAllowedError):
        checked_site("https://b.example", allowed=["https://a.example"])
