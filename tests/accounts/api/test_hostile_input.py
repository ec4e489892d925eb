"""No input makes a 5xx, and every refusal is a problem document."""

import gzip
import io
import json
import zlib

import pytest
from django.db import connection
from django.db.utils import OperationalError
from django.test import Client, RequestFactory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.api.parsers import BODY_BYTES_MAX, decode_json, give_length, unpack_gzip
from accounts.api.problems import LengthRequiredError, as_problem_error
from accounts.errors import MalformedBodyError, ProblemError
from accounts.models import ApiKey
from tests.accounts.conftest import Api, problem_of

NEW = {"name": "Nightly import", "scopes": ["usage:read"]}


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"[]",
        b"null",
        b"7",
        b'"x"',
        b"\xff\xfe",
        b"\x00",
        b"[" * 9_000,
        b"[" * 60_000,
        b'{"a":' * 40 + b"1" + b"}" * 40,
        b'{"name":"a\\u0000b","scopes":["usage:read"]}',
        b'{"na\\u0000me":1}',
        b'{"name":"\\ud800","scopes":["usage:read"]}',
        b'{"name":NaN}',
        b'{"quota":1e999999999}',
        b'{"quota":' + b"1" * 5000 + b"}",
        b'{"quota":1.' + b"1" * 5000 + b"}",
        b"\xef\xbb\xbf{}",
        b"{}",
    ],
)
def test_a_body_of_another_form_is_a_400(api: Api, raw: bytes) -> None:
    problem_of(api.post("/keys", raw=raw), 400)
    assert ApiKey.objects.count() == 1


def test_a_deep_body_is_refused_and_a_bounded_one_is_read() -> None:
    assert decode_json(b"[" * 32 + b"]" * 32)
    with pytest.raises(MalformedBodyError, match="nest"):
        decode_json(b"[" * 33 + b"1" + b"]" * 33)


def test_a_number_is_exact() -> None:
    number = b"0.10000000000000000000000000000000001"
    assert str(decode_json(number)).encode() == number


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "x",
        "a/" + "b" * 300,
        "application/json;" + "x" * 400,
    ],
)
def test_another_media_type_is_a_415(api: Api, content_type: str) -> None:
    problem_of(api.post("/keys", NEW, content_type=content_type), 415)


def test_a_charset_beside_the_media_type_is_ignored(api: Api) -> None:
    assert api.post("/keys", NEW, content_type="application/json; charset=utf-8").status_code == 201


def test_a_gzip_body_is_read(api: Api) -> None:
    packed = gzip.compress(json.dumps(NEW).encode())
    assert api.post("/keys", raw=packed, headers={"Content-Encoding": "gzip"}).status_code == 201
    two_members = gzip.compress(b'{"name":"x",') + gzip.compress(b'"scopes":["usage:read"]}')
    assert api.post("/keys", raw=two_members, headers={"Content-Encoding": "gzip"}).status_code == 201


@pytest.mark.parametrize(
    ("packed", "status"),
    [
        (b"not gzip", 400),
        (gzip.compress(b"{}")[:-4], 400),
        (gzip.compress(b"{}") + b"tail", 400),
        (zlib.compress(b"{}"), 400),
        (gzip.compress(b" " * (BODY_BYTES_MAX + 1)), 413),
        (gzip.compress(b" " * BODY_BYTES_MAX) * 40, 413),
    ],
    ids=["noise", "cut", "tail", "zlib", "bomb", "bombs"],
)
def test_a_bad_or_huge_gzip_body_is_refused(api: Api, packed: bytes, status: int) -> None:
    problem_of(api.post("/keys", raw=packed, headers={"Content-Encoding": "gzip"}), status)


def test_unpacking_stops_at_the_limit() -> None:
    bomb = gzip.compress(b"\x00" * (200 * 1024 * 1024), compresslevel=9)
    with pytest.raises(ProblemError) as refusal:
        unpack_gzip(bomb, BODY_BYTES_MAX)
    assert refusal.value.status == 413


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "deflate"])
def test_another_content_encoding_is_a_415(api: Api, encoding: str) -> None:
    problem_of(api.post("/keys", NEW, headers={"Content-Encoding": encoding}), 415)


def test_a_large_body_is_a_413(api: Api) -> None:
    problem_of(api.post("/keys", raw=b" " * (BODY_BYTES_MAX + 1)), 413)


@pytest.mark.parametrize("length", ["10", "999999", "-5", "x", "1e3", "٣"])
def test_a_false_content_length_is_no_5xx(api: Api, length: str) -> None:
    raw = b'{"name": "x", "scopes": ["usage:read"]}'
    problem_of(api.post("/keys", raw=raw, **{"CONTENT_LENGTH": length, "wsgi.input": io.BytesIO(raw)}), 400)


def test_a_chunked_body_is_read_where_the_server_ends_it() -> None:
    request = RequestFactory().post("/")
    request.META.pop("CONTENT_LENGTH", None)
    stream = io.BytesIO(b'{"a": 1}')
    request.META |= {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True, "wsgi.input": stream}
    give_length(request, BODY_BYTES_MAX)
    assert (request.META["CONTENT_LENGTH"], request.body) == ("8", b'{"a": 1}')


def test_a_chunked_body_without_an_end_needs_a_length() -> None:
    request = RequestFactory().post("/", b"{}", "application/json")
    del request.META["CONTENT_LENGTH"]
    request.META["HTTP_TRANSFER_ENCODING"] = "chunked"
    with pytest.raises(LengthRequiredError):
        give_length(request, BODY_BYTES_MAX)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "get"])
def test_another_method_is_a_405(api: Api, method: str) -> None:
    response = api.call(method, "/keys")
    if method == "get":
        assert response.status_code in {200, 405}
        return
    problem_of(response, 405)
    assert response["Allow"] == "GET, POST, HEAD"


def test_an_unknown_accept_is_a_406(api: Api) -> None:
    problem_of(api.get("/keys", headers={"Accept": "image/png"}), 406)
    problem_of(api.get("/keys", headers={"Accept": ",;=" * 5000}), 406)


@pytest.mark.parametrize(
    "path",
    [
        "/api/",
        "/api",
        "/api/v1/nothing",
        "/api/v1/keys/%00",
        "/api/v1/keys?cursor=%00",
        "/api/v1/%ff%fe",
        "/api/v1/keys/../..",
        "/api/v1/keys/" + "x" * 5000,
    ],
)
def test_an_unknown_or_broken_address_is_a_problem(api: Api, path: str) -> None:
    response = Client().get(path, headers={"X-Api-Key": api.secret})
    assert response.status_code in {400, 404}
    if path != "/api":
        problem_of(response, response.status_code)  # type: ignore[arg-type] # the test client's own subclass


def test_a_slash_at_the_end_is_accepted(api: Api) -> None:
    assert api.get("/keys/").status_code == 200


def test_a_host_that_is_not_ours_is_a_problem(api: Api) -> None:
    problem_of(api.get("/keys", headers={"Host": "evil.example"}), 400)


@pytest.mark.parametrize(
    ("given_id", "is_kept"),
    [("abc 1", True), ("x" * 128, True), ("x" * 129, False), ("é", False), ("", False), (" a", False)],
)
def test_a_request_id_is_kept_if_it_is_printable_ascii(api: Api, given_id: str, is_kept: bool) -> None:
    response = api.get("/keys", headers={"X-Request-ID": given_id})
    assert (response["X-Request-ID"] == given_id) is is_kept
    assert len(response["X-Request-ID"]) <= 128


def test_a_database_that_does_not_answer_is_a_503_with_retry_after(api: Api) -> None:
    with connection.execute_wrapper(unavailable):
        response = api.get("/keys")
    assert problem_of(response, 503)["code"] == "store_unavailable"
    assert response["Retry-After"] == "1"


def unavailable(*_: object) -> None:
    raise OperationalError("the connection is lost")


def test_a_mistake_of_ours_is_a_500_without_details() -> None:
    assert as_problem_error(ValueError("ours")) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)
NAMES = ("name", "kind", "scopes", "expires_at", "allowed_cidrs", "quota", "throttle")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(change=st.dictionaries(st.sampled_from(NAMES), json_values, max_size=3))
def test_any_json_in_any_field_is_taken_or_refused(api: Api, change: dict[str, object]) -> None:
    response = api.post("/keys", raw=json.dumps(NEW | change, ensure_ascii=True).encode())
    assert response.status_code in {201, 400, 422}, response.content
