"""The calls of the API as pages for customers, read from the OpenAPI document, so that they cannot differ from it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from drf_spectacular.generators import SchemaGenerator

METHODS: Final = ("get", "post", "put", "patch", "delete")
# Calls of the operator's own programs: customers' keys cannot make them.
OPERATORS_TAGS: Final = frozenset({"Tenants", "Operations"})
_OPERATORS_PARAMETERS: Final = frozenset({"X-Tenant"})
_JSON: Final = "application/json"
_DEPTH_MAX: Final = 4
_FIRST_REFUSAL: Final = 400
_EXAMPLES: Final[Mapping[str, object]] = {
    "date-time": "2026-11-30T12:00:00Z",
    "date": "2026-11-30",
    "uuid": "01a1fe23-21a0-7312-846f-ca00916502c2",
    "uri": "https://example.com/webhooks",
    "email": "dana@example.com",
    "decimal": "1.5",
}


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter or a member of a body: its place, its type in a word, and what it means."""

    name: str
    place: str
    type: str
    is_required: bool
    description: str


@dataclass(frozen=True, slots=True)
class CallResponse:
    """A response: its status, what it means, and an example of its body if that is JSON."""

    status: str
    description: str
    example: object = None

    @property
    def is_refusal(self) -> bool:
        """Return whether the request was refused."""
        return int(self.status) >= _FIRST_REFUSAL


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the API. `body` is an example of what it takes; None if it takes nothing."""

    id: str
    method: str
    path: str
    tag: str
    summary: str
    paragraphs: tuple[str, ...]
    fields: tuple[Field, ...]
    body: object
    responses: tuple[CallResponse, ...]
    is_open: bool


@dataclass(frozen=True, slots=True)
class CallGroup:
    """The calls of one matter."""

    title: str
    description: str
    calls: tuple[Call, ...]


def call_groups(document: Mapping[str, Any]) -> tuple[CallGroup, ...]:
    """Return all calls that customers can make, in the order of the document's tags."""
    calls = [
        _call(document, path, method, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if method in METHODS and not OPERATORS_TAGS & set(operation["tags"])
    ]
    return tuple(
        CallGroup(tag["name"], tag.get("description", ""), tuple(call for call in calls if call.tag == tag["name"]))
        for tag in document.get("tags", ())
        if any(call.tag == tag["name"] for call in calls)
    )


@lru_cache(maxsize=1)
def documented_groups() -> tuple[CallGroup, ...]:
    """Return the calls of this application's document, which is generated once in a process."""
    generator = SchemaGenerator()  # type: ignore[no-untyped-call]  # as is what it calls
    return call_groups(generator.get_schema(request=None, public=True))  # type: ignore[no-untyped-call]  # as above


def every_call() -> list[Call]:
    """Return every call of the document, in its order."""
    return [call for group in documented_groups() for call in group.calls]


def _call(document: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]) -> Call:
    media = operation.get("requestBody", {}).get("content", {}).get(_JSON, {})
    taken = media.get("schema")
    paragraphs = operation.get("description", "").split("\n\n")
    return Call(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        tag=operation["tags"][0],
        summary=operation.get("summary", operation["operationId"]),
        paragraphs=tuple(" ".join(paragraph.split()) for paragraph in paragraphs if paragraph.strip()),
        fields=(*_parameters(document, operation), *_members(document, taken)),
        body=None if taken is None else media.get("example", example_of(document, taken)),
        responses=tuple(_response(document, status, said) for status, said in sorted(operation["responses"].items())),
        is_open=not operation.get("security", [{}])[0],
    )


def _parameters(document: Mapping[str, Any], operation: Mapping[str, Any]) -> Iterator[Field]:
    for parameter in operation.get("parameters", ()):
        if parameter["name"] not in _OPERATORS_PARAMETERS:
            yield Field(
                name=parameter["name"],
                place=parameter["in"],
                type=type_of(document, parameter.get("schema", {})),
                is_required=parameter.get("required", False),
                description=parameter.get("description", ""),
            )


def _members(document: Mapping[str, Any], schema: Mapping[str, Any] | None) -> Iterator[Field]:
    """Yield the members of a body; if it has several forms, those of the first."""
    if schema is None:
        return
    found = _resolved(document, schema)
    required = set(found.get("required", ()))
    for name, member in found.get("properties", {}).items():
        said = _resolved(document, member)
        description = member.get("description") or said.get("description", "")
        yield Field(name, "body", type_of(document, member), name in required, description)


def _response(document: Mapping[str, Any], status: str, said: Mapping[str, Any]) -> CallResponse:
    schema = said.get("content", {}).get(_JSON, {}).get("schema")
    return CallResponse(status, said.get("description", ""), None if schema is None else example_of(document, schema))


def type_of(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """Return the type of a value in a few words: `string`, `one of a, b`, `list of string`."""
    found = _resolved(document, schema)
    if values := found.get("enum"):
        return "one of " + ", ".join(str(value) for value in values if value is not None)
    kind = _kind(found)
    if kind == "array":
        return f"list of {type_of(document, found.get('items', {}))}"
    return str(found.get("format") or kind)


def example_of(document: Mapping[str, Any], schema: Mapping[str, Any], *, name: str = "", depth: int = 0) -> object:
    """Return an example of a value: the document's own if it has one, else one of the right form."""
    found = _resolved(document, schema)
    for known in ("example", "default", "const"):
        if found.get(known) is not None:
            return found[known]
    if found.get("examples"):
        return found["examples"][0]
    if values := found.get("enum"):
        return values[0]
    kind = _kind(found)
    if kind == "object":
        members = found.get("properties", {}) if depth < _DEPTH_MAX else {}
        return {member: example_of(document, said, name=member, depth=depth + 1) for member, said in members.items()}
    if kind == "array":
        items = found.get("items")
        return [example_of(document, items, name=name, depth=depth + 1)] if items and depth < _DEPTH_MAX else []
    scalars: dict[str, object] = {"integer": found.get("minimum", 1), "number": 1, "boolean": True, "null": None}
    return scalars[kind] if kind in scalars else _EXAMPLES.get(found.get("format", ""), name or "string")


def _kind(schema: Mapping[str, Any]) -> str:
    """Return the type of a schema; of several the first one that is not null."""
    said = schema.get("type", "object" if "properties" in schema else "string")
    kinds: Sequence[str] = [said] if isinstance(said, str) else said
    return next((kind for kind in kinds if kind != "null"), "null")


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a schema with its reference followed, the first of its alternatives, and all of its parts together."""
    while True:
        if "$ref" in schema:
            place = document["components"]["schemas"]
            schema = {**place[schema["$ref"].rsplit("/", 1)[1]], **{k: v for k, v in schema.items() if k != "$ref"}}
        elif alternatives := schema.get("oneOf") or schema.get("anyOf"):
            rest = {key: value for key, value in schema.items() if key not in {"oneOf", "anyOf"}}
            schema = {**next(one for one in alternatives if one.get("type") != "null"), **rest}
        elif "allOf" in schema:
            merged: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
            for part in schema["allOf"]:
                merged = {**_resolved(document, part), **merged}
            schema = merged
        else:
            return schema
