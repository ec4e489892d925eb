"""The form of a request for a token, by the letter of RFC 6749."""

from base64 import b64encode
from urllib.parse import quote_plus, urlencode

import pytest

from accounts.domain.scopes import Scope
from accounts.keys.domain.token_requests import TokenRequest, TokenRequestError, parse_token_request

FORM = {"grant_type": "client_credentials", "client_id": "me", "client_secret": "s"}
GRANT = {"grant_type": "client_credentials"}


def parse(form: object, authorization: str = "") -> TokenRequest:
    body = form if isinstance(form, bytes) else urlencode(form).encode()  # type: ignore[arg-type]
    return parse_token_request(body, authorization=authorization)


def basic(client_id: str, secret: str) -> str:
    return "Basic " + b64encode(f"{quote_plus(client_id)}:{quote_plus(secret)}".encode()).decode()


def test_credentials_come_in_the_form_or_by_basic_percent_encoded() -> None:
    assert parse(FORM) == TokenRequest("me", "s")
    assert parse(GRANT, basic("a b:c", "ü +%")) == TokenRequest("a b:c", "ü +%")
    assert parse(GRANT | {"client_id": "me"}, basic("me", "s").replace("Basic", "bAsIc")) == TokenRequest("me", "s")


def test_scopes_are_a_list_with_spaces_and_none_is_all() -> None:
    asked = parse(FORM | {"scope": "usage:read  events:write"})
    assert asked.scopes == {Scope.USAGE_READ, Scope.EVENTS_WRITE}
    assert parse(FORM | {"scope": ""}).scopes is None
    assert "client_secret" not in repr(asked)


@pytest.mark.parametrize(
    ("form", "authorization", "code", "status"),
    [
        ({}, "", "invalid_client", 401),
        (GRANT, "", "invalid_client", 401),
        (GRANT | {"client_id": "me"}, "", "invalid_client", 401),
        (GRANT, "Bearer ch_live_x", "invalid_client", 401),
        (GRANT, "Basic !!!", "invalid_client", 401),
        (GRANT, "Basic " + b64encode(b"no colon").decode(), "invalid_client", 401),
        (GRANT, "Basic " + b64encode(b"\xff:\xff").decode(), "invalid_client", 401),
        (FORM, basic("me", "s"), "invalid_request", 400),
        (GRANT | {"client_id": "you"}, basic("me", "s"), "invalid_request", 400),
        ({"client_id": "me", "client_secret": "s"}, "", "invalid_request", 400),
        (FORM | {"grant_type": "password"}, "", "unsupported_grant_type", 400),
        (FORM | {"scope": "everything"}, "", "invalid_scope", 400),
        (urlencode(FORM).encode() + b"&grant_type=client_credentials", "", "invalid_request", 400),
        (b"\xff\xfe", "", "invalid_request", 400),
        (b"a=%ff", "", "invalid_request", 400),
        (b"&".join(b"a%d=1" % number for number in range(30)), "", "invalid_request", 400),
    ],
)
def test_every_other_request_has_its_code(form: object, authorization: str, code: str, status: int) -> None:
    with pytest.raises(TokenRequestError) as refused:
        parse(form, authorization)
    assert (refused.value.code, 401 if refused.value.is_about_client else 400) == (code, status)
    assert refused.value.description.endswith(".")
