"""CloudEvents become events: what is their identity, what is content, and what is refused by which name."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import combinations
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.errors import InvalidFieldsError, MalformedBodyError
from metering.domain.canonical import event_key
from metering.domain.cloud_events import (
    CloudEventItem,
    decode_batch,
    decode_binary,
    decode_structured,
    parse_cloud_event,
)
from metering.domain.event_bodies import EVENTS_PER_BATCH_MAX
from metering.domain.event_input import parse_event
from metering.domain.events import IngestRules, ParsedEvent, Rejection

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
RULES = IngestRules(NOW - timedelta(days=35), NOW + timedelta(minutes=5), frozenset({"http_request"}))
SERVICE_RULES = msgspec.structs.replace(RULES, accepts_tenant=True)
REQUIRED = {"specversion": "1.0", "id": "1", "source": "/gateway", "type": "http_request"}


def structured(event: object) -> CloudEventItem:
    return decode_structured(json.dumps(event).encode())


def batched(event: object) -> CloudEventItem:
    [_, item] = decode_batch(json.dumps([7, event]).encode())
    return item


def binary(event: dict[str, Any]) -> CloudEventItem:
    """Return the event as headers and a body would bring it."""
    headers = {f"ce-{name}": quote(str(value), safe="/:") for name, value in event.items() if name != "data"}
    return decode_binary(headers, json.dumps(event["data"]).encode() if "data" in event else b"", is_json=True)


FORMS = (structured, batched, binary)


def accepted(item: CloudEventItem, rules: IngestRules = RULES) -> ParsedEvent:
    verdict = parse_cloud_event(item, 0, NOW, rules)
    assert isinstance(verdict, ParsedEvent), verdict
    return verdict


def refused(item: CloudEventItem) -> tuple[str, str]:
    verdict = parse_cloud_event(item, 0, NOW, RULES)
    assert isinstance(verdict, Rejection), verdict
    return verdict.code, verdict.pointer


@pytest.mark.parametrize("form", FORMS)
def test_each_form_becomes_the_event_that_its_names_say(form: Callable[[dict[str, Any]], CloudEventItem]) -> None:
    data = {"quantity": "2.50", "status": 200, "path": "/a"}
    event = accepted(
        form(REQUIRED | {"time": "2026-11-21T11:00:00+01:00", "subject": "ann", "dataschema": "x", "data": data})
    )
    plain = parse_event(
        {
            "id": "1",
            "type": "http_request",
            "timestamp": "2026-11-21T10:00:00Z",
            "quantity": Decimal("2.5"),
            "subject": "ann",
            "properties": {"status": 200, "path": "/a"},
        },
        0,
        NOW,
        RULES,
        source="/gateway",
    )
    assert event == plain


@pytest.mark.parametrize("form", FORMS)
def test_extensions_and_the_kind_of_data_are_no_part_of_the_content(
    form: Callable[[dict[str, Any]], CloudEventItem],
) -> None:
    bare = accepted(form(REQUIRED))
    more = {
        "datacontenttype": "text/xml",
        "dataschema": "https://x.example",
        "traceparent": "00-ab",
        "tenant": "globex",
    }
    assert accepted(form(REQUIRED | more)) == bare
    assert (bare.quantity, bare.properties, bare.occurred_at, bare.tenant) == (1, {}, NOW, None)
    assert accepted(form(REQUIRED | more), SERVICE_RULES).tenant == "globex"


def test_data_in_base64_is_the_same_event() -> None:
    data = {"quantity": 3, "ms": 0.1}
    plain = accepted(structured(REQUIRED | {"data": data}))
    encoded = base64.b64encode(json.dumps(data).encode()).decode()
    assert accepted(structured(REQUIRED | {"data_base64": encoded})) == plain
    assert plain.properties == {"ms": Decimal("0.1")}


def test_null_attributes_are_absent() -> None:
    assert accepted(structured(REQUIRED | {"subject": None, "time": None, "tenant": None})) == accepted(
        structured(REQUIRED)
    )
    assert refused(structured(REQUIRED | {"id": None})) == ("required", "/id")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("more", "code", "pointer"),
    [
        ({"specversion": "0.3"}, "invalid_specversion", "/specversion"),
        ({"id": ""}, "invalid_id", "/id"),
        ({"id": "x" * 256}, "invalid_id", "/id"),
        ({"id": "\0"}, "invalid_id", "/id"),
        ({"source": ""}, "invalid_source", "/source"),
        ({"source": "x" * 1025}, "invalid_source", "/source"),
        ({"source": "\0"}, "invalid_source", "/source"),
        ({"type": "nonesuch"}, "unknown_event_type", "/type"),
        ({"time": "2026-11-21T10:00:00"}, "invalid_timestamp", "/time"),
        ({"time": "2001-11-21T10:00:00Z"}, "timestamp_too_old", "/time"),
        ({"subject": "x" * 256}, "invalid_subject", "/subject"),
        ({"quantity": 5}, "unknown_field", "/quantity"),
        ({"timestamp": "x"}, "unknown_field", "/timestamp"),
        ({"properties": "x"}, "unknown_field", "/properties"),
        ({"data": {"quantity": -1}}, "invalid_quantity", "/data/quantity"),
        ({"data": {"quantity": None}}, "invalid_quantity", "/data/quantity"),
        ({"data": {"a": {}}}, "invalid_properties", "/data/a"),
        ({"data": {str(n): n for n in range(51)}}, "invalid_properties", "/data"),
        ({"data": {str(n): n for n in range(500)}}, "event_too_large", ""),
        ({"data": [1]}, "invalid_data", "/data"),
        ({"data": "text"}, "invalid_data", "/data"),
        ({"data": None}, "invalid_data", "/data"),
    ],
)
def test_each_fault_is_named_at_its_place(
    form: Callable[[dict[str, Any]], CloudEventItem], more: dict[str, Any], code: str, pointer: str
) -> None:
    place = "/data" if form is binary and code == "event_too_large" else pointer
    assert refused(form(REQUIRED | more)) == (code, place)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", list(REQUIRED))
def test_what_is_required_is_named(form: Callable[[dict[str, Any]], CloudEventItem], name: str) -> None:
    assert refused(form({other: value for other, value in REQUIRED.items() if other != name})) == (
        "required",
        f"/{name}",
    )


@pytest.mark.parametrize(
    ("more", "code", "pointer"),
    [
        ({"id": 7}, "invalid_id", "/id"),
        ({"source": 7}, "invalid_source", "/source"),
        ({"type": 7}, "invalid_type", "/type"),
        ({"time": True}, "invalid_timestamp", "/time"),
        ({"subject": 7}, "invalid_subject", "/subject"),
        ({"data": {}, "data_base64": "e30="}, "invalid_data", "/data_base64"),
        ({"data_base64": 7}, "invalid_data", "/data_base64"),
        ({"data_base64": "e30"}, "invalid_data", "/data_base64"),
        ({"data_base64": "é"}, "invalid_data", "/data_base64"),
        ({"data_base64": base64.b64encode(b"\xff").decode()}, "invalid_data", "/data_base64"),
        ({"data_base64": base64.b64encode(b"[1]").decode()}, "invalid_data", "/data_base64"),
        ({"data_base64": base64.b64encode(b"{").decode()}, "invalid_data", "/data_base64"),
        ({"data_base64": base64.b64encode(b'{"a": {}}').decode()}, "invalid_properties", "/data_base64"),
        ({"data_base64": base64.b64encode(b"[" * 400).decode()}, "event_too_large", "/data_base64"),
    ],
)
def test_faults_that_only_json_can_have_are_named_too(more: dict[str, Any], code: str, pointer: str) -> None:
    assert refused(structured(REQUIRED | more)) == (code, pointer)


def test_a_refusal_says_which_event_it_was() -> None:
    verdict = parse_cloud_event(structured(REQUIRED | {"specversion": "2"}), 3, NOW, RULES)
    assert isinstance(verdict, Rejection)
    assert (verdict.index, verdict.id, verdict.source, verdict.type) == (3, "1", "/gateway", "http_request")
    nameless = parse_cloud_event(structured({"id": 7, "source": 7, "type": 7, "tenant": 7}), 0, NOW, RULES)
    assert isinstance(nameless, Rejection)
    assert (nameless.id, nameless.source, nameless.type) == (None, "", "")


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("a%20b", "a b"),
        ("a%2520b", "a%20b"),
        ("%E2%82%AC", "€"),
        ('"quoted \\"text\\" %41"', 'quoted "text" A'),
        ("a+b", "a+b"),
        ('"', '"'),
    ],
)
def test_a_header_is_unquoted_and_percent_decoded_once(header: str, text: str) -> None:
    headers = {f"ce-{name}": value for name, value in REQUIRED.items()} | {"ce-id": header}
    assert accepted(decode_binary(headers, b"", is_json=True)).id == text


@pytest.mark.parametrize("header", ["100%", "%zz", "%F", "€", "%ff"])
def test_a_header_that_no_encoder_writes_is_refused(header: str) -> None:
    headers = {f"ce-{name}": value for name, value in REQUIRED.items()}
    assert refused(decode_binary(headers | {"ce-id": header}, b"", is_json=True)) == ("invalid_id", "/id")
    assert refused(decode_binary(headers | {"ce-time": header}, b"", is_json=True)) == ("invalid_time", "/time")


def test_a_body_of_another_type_is_data_only_if_it_is_an_object() -> None:
    headers = {f"ce-{name}": value for name, value in REQUIRED.items()}
    assert accepted(decode_binary(headers, b'{"quantity": 2}', is_json=False)).quantity == 2
    assert refused(decode_binary(headers, b"<a/>", is_json=False)) == ("invalid_data", "/data")
    with pytest.raises(MalformedBodyError):
        decode_binary(headers, b"<a/>", is_json=True)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b"[" * 50_000, b"\xff", b'\xef\xbb\xbf{"id": "a"}'])
def test_what_is_no_cloud_event_is_malformed(body: bytes) -> None:
    if body.count(b"[") > 100:
        assert refused(decode_structured(body)) == ("event_too_large", "")
        return
    with pytest.raises(MalformedBodyError):
        decode_structured(body)


def test_a_batch_is_an_array_of_1_to_5000() -> None:
    with pytest.raises(InvalidFieldsError) as empty:
        decode_batch(b" [ ] ")
    assert empty.value.code == "empty_batch"
    for body in (b"{}", b"[", b'[{"id": "\\ud800"}]', b"[%s]" % b",".join([b"7"] * (EVENTS_PER_BATCH_MAX + 1))):
        with pytest.raises(MalformedBodyError):
            decode_batch(body)
    odd = decode_batch(b"[7, [], null, [%s]]" % b",".join([b"1"] * 300))
    assert [refused(item)[0] for item in odd] == ["invalid_type"] * 3 + ["event_too_large"]


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)


@given(st.lists(st.tuples(texts, texts), unique=True, min_size=2, max_size=6))
def test_no_two_pairs_and_no_plain_id_have_one_identity(pairs: list[tuple[str, str]]) -> None:
    keys = [accepted(structured(REQUIRED | {"source": source, "id": id_})).key for source, id_ in pairs]
    keys += [event_key("", id_) for id_ in {id_ for _, id_ in pairs}]
    assert all(one != other for one, other in combinations(keys, 2))


@given(texts, texts)
def test_all_forms_of_one_event_are_the_same(source: str, id_: str) -> None:
    event = REQUIRED | {"source": source, "id": id_, "data": {"path": id_}}
    one, other, third = (accepted(form(event)) for form in FORMS)
    assert one == other == third
