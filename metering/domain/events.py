"""Accepted events, rejections, and the rules that decide."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NoReturn

import msgspec

from metering.domain.canonical import PropertyValue
from metering.domain.meter_rules import MeterRule


class IngestRules(msgspec.Struct, frozen=True):
    """The rules for one tenant at one moment. Both bounds are included in the window.

    `formulas` are the meters, by event type, of which an event must have a value.
    """

    window_start: datetime
    latest: datetime
    known_types: frozenset[str]
    accepts_tenant: bool = False
    formulas: Mapping[str, Sequence[MeterRule]] = {}


class ParsedEvent(msgspec.Struct, frozen=True, gc=False):
    """One valid event. `properties_json` is the canonical JSON of `properties`."""

    index: int
    key: bytes
    content_hash: bytes
    source: str
    id: str
    type: str
    occurred_at: datetime
    quantity: Decimal
    subject: str | None
    properties: dict[str, PropertyValue]
    properties_json: bytes
    tenant: str | None


class Rejection(msgspec.Struct, frozen=True):
    """Why one event was refused.

    `pointer` is a JSON Pointer (RFC 6901) into the event; `type` and `source` are those that it named, if any.
    """

    index: int
    id: str | None
    code: str
    detail: str
    pointer: str
    type: str = ""
    source: str = ""


class RefusedError(Exception):
    """The refusal that a rule raises for `parse_event`."""

    def __init__(self, code: str, detail: str, pointer: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.pointer = pointer


def refuse(code: str, detail: str, pointer: str) -> NoReturn:
    """Raise `RefusedError`."""
    raise RefusedError(code, detail, pointer)
