"""Calls are read from a document: examples have the right form, whatever the schema's way of saying it."""

from typing import Any

import pytest

from portal.api_reference import call_groups, example_of, type_of

DOCUMENT: dict[str, Any] = {
    "tags": [{"name": "Things", "description": "All things."}, {"name": "Tenants"}, {"name": "Empty"}],
    "components": {
        "schemas": {
            "Thing": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}, "more": {"$ref": "#/components/schemas/Thing"}},
            }
        }
    },
    "paths": {
        "/things": {
            "post": {
                "operationId": "create_thing",
                "tags": ["Things"],
                "description": "Create one.\n\nOr\nnot.",
                "parameters": [{"in": "header", "name": "X-Tenant"}, {"in": "query", "name": "dry", "required": True}],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}},
                "responses": {"201": {"description": ""}, "422": {"description": "No."}},
            },
            "parameters": [],
        },
        "/operator": {"get": {"operationId": "secret", "tags": ["Tenants"], "responses": {}}},
    },
}


def test_a_call_has_its_fields_and_responses_and_the_operators_are_left_out() -> None:
    [group] = call_groups(DOCUMENT)
    [call] = group.calls

    assert (call.method, call.path, call.summary, call.paragraphs) == (
        "POST", "/things", "create_thing", ("Create one.", "Or not."),
    )  # fmt: skip
    assert [(field.name, field.place, field.is_required) for field in call.fields] == [
        ("dry", "query", True), ("name", "body", True), ("more", "body", False),
    ]  # fmt: skip
    assert [(response.status, response.is_refusal) for response in call.responses] == [("201", False), ("422", True)]
    assert call.is_open


@pytest.mark.parametrize(
    ("schema", "example", "type_"),
    [
        ({"type": "string", "example": "x"}, "x", "string"),
        ({"type": ["null", "integer"], "minimum": 5}, 5, "integer"),
        ({"enum": ["a", None, "b"]}, "a", "one of a, b"),
        ({"type": "array", "items": {"type": "string", "format": "uuid"}}, None, "list of uuid"),
        ({"oneOf": [{"type": "null"}, {"type": "boolean"}]}, True, "boolean"),
        (
            {"allOf": [{"type": "object", "properties": {"a": {"type": "number"}}}], "description": "d"},
            {"a": 1},
            "object",
        ),
        ({"type": "string", "examples": ["y"]}, "y", "string"),
        ({"type": "string"}, "string", "string"),
    ],
)
def test_examples_and_types(schema: dict[str, Any], example: object, type_: str) -> None:
    found = example_of(DOCUMENT, schema)
    assert found == example if example is not None else isinstance(found, list)
    assert type_of(DOCUMENT, schema) == type_


def test_a_schema_that_contains_itself_ends() -> None:
    found = example_of(DOCUMENT, {"$ref": "#/components/schemas/Thing"})
    assert str(found).count("name") < 12
