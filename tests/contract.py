"""Compare every response of the API with the OpenAPI document that the code generates.

`tests/conftest.py` puts `check_answer` behind Django's test client, and so behind REST framework's, for every test. The
document is the one at `/api/schema/`, generated once in a process, and read more strictly than a client would: a field,
a header of ours, a status or a media type that it does not name is a mistake, either of the view or of its description.
"""

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from datetime import date
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import best_match

from accounts.api.schema_headers import ALWAYS_SENT, DESCRIPTIONS
from portal.error_codes import CODES

PREFIX: Final = "/api/v1/"
SUCCESSFUL: Final = range(200, 300)
PROBLEM: Final = "application/problem+json"
JSON: Final = "application/json"
HEADERS: Final = (*DESCRIPTIONS, "ETag")
# The responses to a path or a method that is not in the document.
STATUSES_OF_NO_OPERATION: Final = frozenset({400, 401, 403, 404, 405, 406, 413, 414, 431})
_EXPLAINED: Final = frozenset(error.code for error in CODES)
_CONVERTER: Final = re.compile(r"<(?:[^:>]+:)?([^>]+)>")
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z", re.ASCII)


def is_instant(value: object) -> bool:
    return not isinstance(value, str) or _INSTANT.fullmatch(value) is not None


def is_day(value: object) -> bool:
    return not isinstance(value, str) or date.fromisoformat(value).isoformat() == value


def is_uuid(value: object) -> bool:
    return not isinstance(value, str) or str(uuid.UUID(value)) == value


def is_address(value: object) -> bool:
    return not isinstance(value, str) or bool(urlsplit(value).netloc)


FORMATS: Final = FormatChecker(formats=())
FORMATS.checkers = {
    "date-time": (is_instant, ()),
    "date": (is_day, ValueError),
    "uuid": (is_uuid, ValueError),
    "uri": (is_address, ValueError),
}


@cache
def document() -> dict[str, Any]:
    """Return the document of `/api/schema/`, as JSON has it."""
    generator = SchemaGenerator()  # type: ignore[no-untyped-call] # as is what it calls
    found: dict[str, Any] = json.loads(json.dumps(generator.get_schema(request=None, public=True)))  # type: ignore[no-untyped-call]
    return found


@cache
def closed_document() -> dict[str, Any]:
    """Return the document, with no object open to members that it does not name."""
    closed: dict[str, Any] = json.loads(json.dumps(document()))
    for schema in _schemas_in(closed):
        if schema.get("type") == "object" and "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return closed


def _schemas_in(node: object) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for inner in node.values():
            yield from _schemas_in(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _schemas_in(inner)


def operation_of(method: str, path: str) -> Mapping[str, Any] | None:
    """Return the description of an operation, or None if the document has none."""
    try:
        route = resolve(path if path.startswith(f"{PREFIX}events/") else path.rstrip("/")).route
    except Resolver404:
        return None
    verb = "get" if method == "HEAD" else method.lower()
    if verb == "get" and route.endswith("/void"):
        route = route.removesuffix("/void")  # reads the event whose id ends so: the same operation
    found: Mapping[str, Any] | None = closed_document()["paths"].get("/" + _CONVERTER.sub(r"{\1}", route), {}).get(verb)
    return found


def check_answer(method: str, path: str, response: HttpResponseBase, sent: bytes = b"", media_type: str = JSON) -> None:
    """Raise AssertionError if a response of the API, or the body that it took, is not as the document says."""
    if not path.startswith(PREFIX):
        return
    operation = operation_of(method, path)
    if operation is None:
        found = _mistakes_without_operation(response)
    else:
        found = _mistakes(operation, response)
        # Of a batch, items may have been refused for their form.
        data = getattr(response, "data", None)
        has_rejected = isinstance(data, dict) and data.get("rejected")
        # A call that takes no body ignores one.
        if sent and "requestBody" in operation and response.status_code in SUCCESSFUL and not has_rejected:
            found += _mistakes_of_body(operation["requestBody"]["content"], media_type, sent, None)
    assert not found, f"{method} {path} is not as the OpenAPI document says: {'; '.join(found)}"


def _mistakes_without_operation(response: HttpResponseBase) -> list[str]:
    if response.status_code not in STATUSES_OF_NO_OPERATION:
        return [f"returns {response.status_code}, and is not described"]
    content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/ProblemSchema"}}}
    return _mistakes_of_content(content, response)


def _mistakes(operation: Mapping[str, Any], response: HttpResponseBase) -> list[str]:
    described = operation["responses"].get(str(response.status_code))
    if described is None:
        return [f"returns {response.status_code}"]
    headers = described["headers"]
    found = [f"the header {name} is not described" for name in HEADERS if name in response and name not in headers]
    # A header that one operation describes by itself comes with some of its responses.
    always = [name for name, form in headers.items() if name in ALWAYS_SENT and "$ref" in form]
    found += [f"lacks the header {name}" for name in always if name not in response]
    return found + _mistakes_of_content(described.get("content", {}), response)


def _mistakes_of_content(content: Mapping[str, Any], response: Any) -> list[str]:
    body = b"streamed" if response.streaming else response.content
    if not body:  # a HEAD, a 204
        return []
    media_type = response.get("Content-Type", "").partition(";")[0]
    assert not response.streaming or media_type != JSON, "JSON is compared with its schema, so it is not streamed"
    return _mistakes_of_body(content, media_type, body, FORMATS)


def _mistakes_of_body(
    content: Mapping[str, Any], media_type: str, body: bytes, formats: FormatChecker | None
) -> list[str]:
    if media_type not in content:
        return [f"is {media_type or 'of no media type'}"]
    if media_type != JSON and not media_type.endswith("+json"):
        return []
    schema = {**content[media_type]["schema"], "components": closed_document()["components"]}
    given = json.loads(body)
    error = best_match(Draft202012Validator(schema, format_checker=formats).iter_errors(given))
    if error is not None:
        return [f"{error.json_path}: {error.message[:300]}"]
    if media_type == PROBLEM and given["type"].partition("#")[2] not in _EXPLAINED:
        return [f"its type {given['type']} leads to no row of docs/errors.md"]
    return []
