"""Stripe's nested form encoding, and typed look-ups in the decoded parameters."""

import re
from typing import Any
from urllib.parse import parse_qsl

from config.workbench.fakestripe.errors import Json, invalid, missing

WORDS = {"true": True, "false": False}
FREE_FORM = {"metadata", "payload"}  # their keys are the caller's, even if they are digits


def decode(encoded: str) -> Json:
    """Decode `a[b][0][c]=1` to `{"a": {"b": [{"c": "1"}]}}`. Every leaf is text."""
    root: Json = {}
    for key, value in parse_qsl(encoded, keep_blank_values=True):
        name, *inner = [key.split("[", 1)[0], *re.findall(r"\[([^\]]*)\]", key)]
        _put(root, [name, *inner], value)
    return {name: value if name in FREE_FORM else _lists(value) for name, value in root.items()}


def _put(node: Json, path: list[str], value: str) -> None:
    for part in path[:-1]:
        child = node.setdefault(part or str(len(node)), {})
        if not isinstance(child, dict):
            raise invalid("Invalid object", path[0])
        node = child
    node[path[-1] or str(len(node))] = value


def _lists(node: Any) -> Any:
    """Replace every mapping whose keys are all numbers with a list."""
    if not isinstance(node, dict):
        return node
    inner = {key: value if key in FREE_FORM else _lists(value) for key, value in node.items()}
    if inner and all(key.isdigit() for key in inner):
        return [inner[key] for key in sorted(inner, key=int)]
    return inner


def required(parameters: Json, name: str) -> Any:
    """Return the value, which must be present and not empty."""
    value = parameters.get(name)
    if value in (None, ""):
        raise missing(name)
    return value


def text(parameters: Json, name: str, default: str | None = None) -> str | None:
    """Return a text. An empty one means none, as at Stripe."""
    value = parameters.get(name, default)
    return value or None


def number(parameters: Json, name: str, default: int | None = None) -> int | None:
    """Return a whole number."""
    value = parameters.get(name)
    if value in (None, ""):
        return default
    if not re.fullmatch(r"-?\d{1,15}", str(value)):
        raise invalid(f"Invalid integer: {value}", name, "parameter_invalid_integer")
    return int(value)


def required_number(parameters: Json, name: str) -> int:
    """Return a whole number, which must be present."""
    required(parameters, name)
    value = number(parameters, name)
    assert value is not None
    return value


def flag(parameters: Json, name: str, *, default: bool) -> bool:
    """Return the value of `true` or `false`."""
    value = parameters.get(name)
    if value in (None, ""):
        return default
    if str(value).lower() not in WORDS:
        raise invalid(f"Invalid boolean: {value}", name)
    return WORDS[str(value).lower()]


def choice(parameters: Json, name: str, choices: tuple[str, ...], default: str | None = None) -> str:
    """Return one of a few words."""
    value = parameters.get(name) or default
    if value is None:
        raise missing(name)
    if value not in choices:
        raise invalid(f"Invalid {name}: must be one of {', '.join(choices[:-1])}, or {choices[-1]}", name)
    return str(value)


def merged_metadata(old: Json, parameters: Json) -> Json:
    """Return the metadata after an update: an empty value removes its key, an empty whole removes all."""
    if "metadata" not in parameters:
        return old
    new = parameters["metadata"]
    if not new:
        return {}
    return {key: value for key, value in {**old, **new}.items() if value != ""}
