"""Reading events: the contract's rules one by one, and that hostile input is refused and never raises."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from accounts.errors import MalformedBodyError
from metering.domain.canonical import PropertyValue, content_hash, event_key
from metering.domain.event_bodies import Submission, decode_body
from metering.domain.event_input import parse_event
from metering.domain.events import IngestRules, ParsedEvent, Rejection
from metering.domain.exact_json import decode_object

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
RULES = IngestRules(
    window_start=NOW - timedelta(days=35),
    latest=NOW + timedelta(minutes=5),
    known_types=frozenset({"http_request", "é"}),
)
SERVICE_RULES = msgspec.structs.replace(RULES, accepts_tenant=True)
REQUIRED = '"id": "evt_1", "type": "http_request"'


def judged(submission: Submission, rules: IngestRules) -> tuple[list[ParsedEvent], list[Rejection]]:
    verdicts = [parse_event(item, index, NOW, rules) for index, item in enumerate(submission.items)]
    return (
        [verdict for verdict in verdicts if isinstance(verdict, ParsedEvent)],
        [verdict for verdict in verdicts if isinstance(verdict, Rejection)],
    )


def verdict_on(text: str | bytes, rules: IngestRules = RULES) -> ParsedEvent | Rejection:
    """Validate an event alone, and as part of a batch that also holds a valid and an invalid one.

    Return the verdict.
    """
    body = text.encode() if isinstance(text, str) else text
    alone = decode_body(body)
    assert not alone.is_batch
    verdict = parse_event(alone.items[0], 0, NOW, rules)
    for others in (b'{"id": "a", "type": "http_request"}', b"null"):
        batch = decode_body(b'{"events": [' + body + b", " + others + b"]}")
        assert batch.is_batch
        assert parse_event(batch.items[0], 0, NOW, rules) == verdict
    return verdict


def accepted(text: str, rules: IngestRules = RULES) -> ParsedEvent:
    verdict = verdict_on(text, rules)
    assert isinstance(verdict, ParsedEvent), verdict
    return verdict


def refused(text: str, rules: IngestRules = RULES) -> tuple[str, str]:
    verdict = verdict_on(text, rules)
    assert isinstance(verdict, Rejection), verdict
    assert verdict.detail
    return verdict.code, verdict.pointer


def test_an_event_with_everything_is_read() -> None:
    event = accepted(
        '{"id": "evt_1", "type": "http_request", "timestamp": "2026-11-21T10:30:00+01:00", "quantity": "2.50",'
        ' "subject": "user_7", "properties": {"path": "/a", "status": 200, "ms": 12.50, "ok": true, "none": null}}'
    )
    properties: dict[str, PropertyValue] = {
        "path": "/a",
        "status": 200,
        "ms": Decimal("12.5"),
        "ok": True,
        "none": None,
    }
    occurred_at = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
    assert event == ParsedEvent(
        index=0,
        key=event_key("", "evt_1"),
        content_hash=content_hash("http_request", occurred_at, Decimal("2.5"), "user_7", properties),
        source="",
        id="evt_1",
        type="http_request",
        occurred_at=occurred_at,
        quantity=Decimal("2.5"),
        subject="user_7",
        properties=properties,
        properties_json=b'{"ms":12.5,"none":null,"ok":true,"path":"/a","status":200}',
        tenant=None,
    )


def test_an_event_with_nothing_optional_counts_one_now() -> None:
    event = accepted(f"{{{REQUIRED}}}")
    assert (event.occurred_at, event.quantity, event.subject, event.properties) == (NOW, Decimal(1), None, {})
    assert event.content_hash == content_hash("http_request", None, Decimal(1), None, {})


def test_null_stands_for_an_absent_subject_properties_or_tenant() -> None:
    plain = accepted(f"{{{REQUIRED}}}")
    assert accepted(f'{{{REQUIRED}, "subject": null, "properties": null, "tenant": null}}') == plain


def test_a_retry_without_a_time_is_the_same_event_later() -> None:
    later = parse_event({"id": "a", "type": "http_request"}, 0, NOW + timedelta(hours=1), RULES)
    sooner = parse_event({"id": "a", "type": "http_request"}, 0, NOW, RULES)
    assert isinstance(later, ParsedEvent)
    assert isinstance(sooner, ParsedEvent)
    assert (later.key, later.content_hash) == (sooner.key, sooner.content_hash)
    assert later.occurred_at != sooner.occurred_at


@pytest.mark.parametrize(
    ("members", "code", "pointer"),
    [
        ('"type": "http_request"', "required", "/id"),
        ('"id": "evt_1"', "required", "/type"),
        ('"id": "evt_1", "type": "nope"', "unknown_event_type", "/type"),
        ('"id": "evt_1", "type": ""', "unknown_event_type", "/type"),
        ('"id": "evt_1", "type": 7', "invalid_type", "/type"),
        ('"id": "evt_1", "type": null', "invalid_type", "/type"),
        ('"id": "", "type": "http_request"', "invalid_id", "/id"),
        ('"id": 1, "type": "http_request"', "invalid_id", "/id"),
        ('"id": null, "type": "http_request"', "invalid_id", "/id"),
        ('"id": "a\\u0000", "type": "http_request"', "invalid_id", "/id"),
        (f'"id": "{"x" * 256}", "type": "http_request"', "invalid_id", "/id"),
        (f'{REQUIRED}, "subject": 1', "invalid_subject", "/subject"),
        (f'{REQUIRED}, "subject": "\\u0000"', "invalid_subject", "/subject"),
        (f'{REQUIRED}, "subject": "{"x" * 256}"', "invalid_subject", "/subject"),
        (f'{REQUIRED}, "tenant": "acme"', "tenant_not_allowed", "/tenant"),
        (f'{REQUIRED}, "tenant": 1', "invalid_type", "/tenant"),
        (f'{REQUIRED}, "color": 1', "unknown_field", "/color"),
        (f'{REQUIRED}, "a/b~c": 1', "unknown_field", "/a~1b~0c"),
        (f'{REQUIRED}, "{"x" * 300}": 1', "unknown_field", "/" + "x" * 100),
        (f'{REQUIRED}, "timestamp": "2026-11-21T09:30:00"', "invalid_timestamp", "/timestamp"),
        (f'{REQUIRED}, "timestamp": null', "invalid_timestamp", "/timestamp"),
        (f'{REQUIRED}, "timestamp": true', "invalid_timestamp", "/timestamp"),
        (f'{REQUIRED}, "timestamp": 1795253400.5', "invalid_timestamp", "/timestamp"),
        (f'{REQUIRED}, "timestamp": {"9" * 5000}', "invalid_timestamp", "/timestamp"),
        (f'{REQUIRED}, "timestamp": 1', "timestamp_too_old", "/timestamp"),
        (f'{REQUIRED}, "timestamp": "2026-10-17T11:59:59.999999Z"', "timestamp_too_old", "/timestamp"),
        (f'{REQUIRED}, "timestamp": "2026-11-21T12:05:00.000001Z"', "timestamp_in_future", "/timestamp"),
        (f'{REQUIRED}, "timestamp": "9999-12-31T23:59:59Z"', "timestamp_in_future", "/timestamp"),
        (f'{REQUIRED}, "properties": []', "invalid_properties", "/properties"),
        (f'{REQUIRED}, "properties": "a"', "invalid_properties", "/properties"),
        (f'{REQUIRED}, "properties": {{"a": {{}}}}', "invalid_properties", "/properties/a"),
        (f'{REQUIRED}, "properties": {{"a": [1]}}', "invalid_properties", "/properties/a"),
        (f'{REQUIRED}, "properties": {{"a": 1e20}}', "invalid_properties", "/properties/a"),
        (f'{REQUIRED}, "properties": {{"a": 1e-31}}', "invalid_properties", "/properties/a"),
        (f'{REQUIRED}, "properties": {{"a": 1e99999999999999999999}}', "invalid_properties", "/properties/a"),
        (f'{REQUIRED}, "properties": {{"a": 100000000000000000000}}', "invalid_properties", "/properties/a"),
        (f'{REQUIRED}, "properties": {{"a": {"9" * 5000}}}', "invalid_properties", "/properties"),
        (f'{REQUIRED}, "properties": {{"a/b": "\\u0000"}}', "invalid_properties", "/properties/a~1b"),
        (f'{REQUIRED}, "properties": {{"\\u0000": 1}}', "invalid_properties", "/properties/\0"),
        (f'{REQUIRED}, "properties": {{"a": "{"x" * 4089}"}}', "invalid_properties", "/properties"),
        (
            f'{REQUIRED}, "properties": {json.dumps(dict.fromkeys(map(str, range(51)), 1))}',
            "invalid_properties",
            "/properties",
        ),
    ],
)
def test_an_event_that_the_contract_refuses_names_the_reason(members: str, code: str, pointer: str) -> None:
    assert refused(f"{{{members}}}") == (code, pointer)


@pytest.mark.parametrize(
    "text",
    [
        '"-1"', "-1", "-0.1", "1e20", '"1e20"', "1e400", '"1e400"', '"1e9999"', "1e99999999999999999999",
        "100000000000000000000", "0.0000000001", '"0.0000000001"', "999999999999.123456789", "9" * 5000,
        f'"{"9" * 5000}"', f'"{"9" * 61}"', '""', '" 1"', '"1 "', '"+1"', '"1_000"', '"1,5"', '"NaN"', '"Infinity"',
        '"0x10"', '".5"', '"5."', '"१"', '"1\\u0000"', "true", "null", "[]", "{}",
    ],
)  # fmt: skip
def test_a_quantity_that_is_not_exact_finite_and_positive_is_refused(text: str) -> None:
    assert refused(f'{{{REQUIRED}, "quantity": {text}}}') == ("invalid_quantity", "/quantity")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("-0.0", "0"),
        ('"0.0"', "0"),
        ('"00.50"', "0.5"),
        ("1", "1"),
        ('"1"', "1"),
        ("1.0", "1"),
        ("1e3", "1000"),
        ('"1E+3"', "1000"),
        ("1.000000000000000000000", "1"),
        ("0.000000001", "1E-9"),
        ("99999999999999999999", "99999999999999999999"),
        ('"99999999999999999999"', "99999999999999999999"),
        ("99999999999.123456789", "99999999999.123456789"),
        ("0.1", "0.1"),
        ("9007199254740993", "9007199254740993"),
    ],
)
def test_a_quantity_is_kept_exactly(text: str, expected: str) -> None:
    quantity = accepted(f'{{{REQUIRED}, "quantity": {text}}}').quantity
    assert isinstance(quantity, Decimal)
    assert str(quantity) == expected


@pytest.mark.parametrize("text", ["1", "1.0", '"1"', '"1.000"', "1e0", "10e-1"])
def test_every_way_of_writing_one_is_the_same_content(text: str) -> None:
    assert accepted(f'{{{REQUIRED}, "quantity": {text}}}').content_hash == accepted(f"{{{REQUIRED}}}").content_hash


@pytest.mark.parametrize(
    "identifier", [" evt ", "EVT", "\u00e9", "e\u0301", "😀" * 255, "a/b?c#d", "'; drop table event; --", "\t\n"]
)
def test_an_id_is_kept_to_the_byte(identifier: str) -> None:
    event = accepted(json.dumps({"id": identifier, "type": "http_request"}))
    assert event.id == identifier
    assert event.key == event_key("", identifier)


def test_properties_of_just_4_kib_are_taken_and_escapes_count() -> None:
    assert len(accepted(f'{{{REQUIRED}, "properties": {{"a": "{"x" * 4088}"}}}}').properties_json) == 4096
    escaped = json.dumps({"a": "\x01" * 682})
    assert refused(f'{{{REQUIRED}, "properties": {escaped}}}') == ("invalid_properties", "/properties")


def test_the_bounds_of_the_window_belong_to_it() -> None:
    for bound in (RULES.window_start, RULES.latest):
        assert accepted(f'{{{REQUIRED}, "timestamp": "{bound.isoformat()}"}}').occurred_at == bound


def test_a_service_key_names_the_tenant() -> None:
    assert accepted(f'{{{REQUIRED}, "tenant": "acme"}}', SERVICE_RULES).tenant == "acme"


def test_of_a_name_that_comes_twice_the_last_counts() -> None:
    event = accepted(f'{{"id": "first", {REQUIRED}, "properties": {{"a": 1, "a": 2}}}}')
    assert (event.id, event.properties) == ("evt_1", {"a": 2})


def test_a_rejection_names_the_event_if_it_has_an_id() -> None:
    named = verdict_on('{"id": "evt_1", "type": "nope"}')
    nameless = verdict_on('{"id": "a\\u0000", "type": "nope"}')
    assert isinstance(named, Rejection)
    assert isinstance(nameless, Rejection)
    assert (named.id, nameless.id) == ("evt_1", None)
    assert named.pointer == "/type"
    assert (named.type, nameless.type) == ("nope", "nope")
    assert parse_event({"type": "nope", "size": 1}, 0, NOW, RULES).type == "nope"
    assert parse_event({"type": 7}, 0, NOW, RULES).type == ""


@pytest.mark.parametrize("item", ["1", "null", '"a"', "[]", "true"])
def test_json_that_is_no_object_is_no_event(item: str) -> None:
    submission = decode_body(f'{{"events": [{item}]}}'.encode())
    rejection = Rejection(0, None, "invalid_type", "An event is a JSON object.", "")
    assert parse_event(submission.items[0], 0, NOW, RULES) == rejection


def test_one_bad_event_does_not_spoil_the_others() -> None:
    submission = decode_body(f'{{"events": [{{{REQUIRED}}}, 7, {{"id": "b", "type": "é", "quantity": 0.1}}]}}'.encode())
    parsed, rejected = judged(submission, RULES)
    assert [(event.index, event.id, event.quantity) for event in parsed] == [
        (0, "evt_1", Decimal(1)),
        (2, "b", Decimal("0.1")),
    ]
    assert [rejection.index for rejection in rejected] == [1]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"[]",
        b"null",
        b"1",
        b"NaN",
        b'{"a": NaN}',
        b'{"id": "a"} x',
        b'{"id": "a",}',
        b"{'id': 'a'}",
        b"\xff",
        b'{"id": "\xff", "type": "http_request"}',
        b'{"id": "\xed\xa0\x80", "type": "http_request"}',
        b'\xef\xbb\xbf{"id": "a", "type": "http_request"}',
        b'{"id": "\\ud800", "type": "http_request"}',
        b'{"id": "\\udc00a", "type": "http_request"}',
        b'{"events": [{"id": "\\ud800", "type": "http_request"}]}',
        b'{"events": []}',
        b'{"events": {}}',
        b'{"events": null}',
        b'{"events": [{}], "id": "a"}',
        b'{"events": [' + b"1," * 5000 + b"1]}",
        b'{"events": [' + b"{}," * 400_000 + b"{}]}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"events": [' + b"[" * 100_000 + b"]" * 100_000 + b"]}",
        '{"id": "a", "type": "http_request"}'.encode("utf-16"),
    ],
)
def test_a_body_that_is_no_json_or_not_of_the_form_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedBodyError) as raised:
        decode_body(body)
    assert raised.value.status == 400


def test_a_batch_of_5000_is_taken() -> None:
    body = b'{"events": [' + b",".join([f"{{{REQUIRED}}}".encode()] * 5000) + b"]}"
    parsed, rejected = judged(decode_body(body), RULES)
    assert (len(parsed), len(rejected)) == (5000, 0)


def test_an_event_of_absurdly_many_values_is_refused_undecoded() -> None:
    wide = f'{{{REQUIRED}, "properties": {{"a": [{"1," * 60_000}1]}}}}'
    verdict = verdict_on(wide)

    assert isinstance(verdict, Rejection)
    assert (verdict.id, verdict.code) == (None, "event_too_large")
    assert refused(f'{{{REQUIRED}, "properties": {{"a": [{"1," * 300}1]}}}}') == ("invalid_properties", "/properties/a")


def test_a_batch_of_many_values_is_judged_event_by_event() -> None:
    properties = ", ".join(f'"p{number}": {number}' for number in range(50))
    good = [f'{{"id": "e{number}", "type": "http_request", "properties": {{{properties}}}}}' for number in range(1000)]
    bad = f'{{{REQUIRED}, "properties": {{{", ".join([properties] * 6)}}}}}'
    parsed, rejected = judged(decode_body(f'{{"events": [{", ".join([*good, bad])}]}}'.encode()), RULES)

    assert [event.index for event in parsed] == list(range(1000))
    assert [(rejection.index, rejection.code) for rejection in rejected] == [(1000, "event_too_large")]


def test_commas_in_texts_are_no_values() -> None:
    commas = f'{{{REQUIRED}, "properties": {{"a": "{"," * 4000}"}}}}'
    parsed, rejected = judged(decode_body(f'{{"events": [{", ".join([commas] * 20)}]}}'.encode()), RULES)

    assert (len(parsed), len(rejected)) == (20, 0)


def test_another_source_is_another_identity_with_the_same_content() -> None:
    native = parse_event({"id": "a", "type": "http_request"}, 0, NOW, RULES)
    other = parse_event({"id": "a", "type": "http_request"}, 0, NOW, RULES, source="https://gateway.example")
    assert isinstance(native, ParsedEvent)
    assert isinstance(other, ParsedEvent)
    assert native.key != other.key
    assert native.content_hash == other.content_hash
    assert other.source == "https://gateway.example"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"id": "\ud800"}, "invalid_id"),
        ({"subject": "\ud800"}, "invalid_subject"),
        ({"properties": {"a": "\ud800"}}, "invalid_properties"),
        ({"properties": {"\ud800": 1}}, "invalid_properties"),
        ({"\ud800": 1}, "unknown_field"),
    ],
)
def test_a_lone_surrogate_that_came_another_way_is_refused(change: dict[str, Any], code: str) -> None:
    verdict = parse_event({"id": "a", "type": "http_request"} | change, 0, NOW, RULES)
    assert isinstance(verdict, Rejection)
    assert verdict.code == code
    msgspec.json.encode(verdict)


def test_any_object_is_decoded_with_exact_numbers() -> None:
    assert decode_object(b'{"a": 0.1, "b": [9007199254740993]}') == {"a": Decimal("0.1"), "b": [9007199254740993]}
    assert decode_object(b'{"a": 1e99999999999999999999}')["a"].is_nan()


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b'{"a": ' + b"9" * 5000 + b"}", b'{"a":' * 100_000])
def test_bytes_that_are_no_object_are_malformed(body: bytes) -> None:
    with pytest.raises(MalformedBodyError):
        decode_object(body)


JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.sampled_from(["http_request", "a"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(), max_size=4), inner, max_size=4)
    ),
    max_leaves=10,
)
FIELDS = st.sampled_from(["id", "type", "timestamp", "quantity", "subject", "properties", "tenant", "events", "other"])
EVENTS = st.dictionaries(FIELDS, JSON_VALUES) | st.fixed_dictionaries(
    {"id": st.text(min_size=1) | JSON_VALUES, "type": st.just("http_request")},
    optional={
        "timestamp": st.datetimes().map(lambda moment: f"{moment.isoformat()}Z") | st.integers() | JSON_VALUES,
        "quantity": st.decimals().map(str) | st.integers() | st.floats() | JSON_VALUES,
        "subject": st.text() | JSON_VALUES,
        "properties": st.dictionaries(st.text(), JSON_VALUES, max_size=60) | JSON_VALUES,
        "tenant": JSON_VALUES,
    },
)


def judge(body: bytes) -> None:
    try:
        submission = decode_body(body)
    except MalformedBodyError:
        return
    parsed, rejected = judged(submission, SERVICE_RULES)
    indexes = [event.index for event in parsed] + [rejection.index for rejection in rejected]
    assert sorted(indexes) == list(range(len(submission.items)))
    for event in parsed:
        assert 1 <= len(event.id) <= 255
        assert "\0" not in f"{event.id}{event.subject}{event.properties}"
        assert RULES.window_start <= event.occurred_at <= RULES.latest
        assert 0 <= event.quantity < 10**20
        assert len(event.properties_json) <= 4096
        msgspec.json.encode([event, rejected])
        resent = parse_event(resendable(event), event.index, NOW, SERVICE_RULES)
        assert resent == event


def resendable(event: ParsedEvent) -> dict[str, Any]:
    return {
        "id": event.id,
        "type": event.type,
        "quantity": event.quantity,
        "subject": event.subject,
        "properties": event.properties,
        "tenant": event.tenant,
    } | ({} if event.occurred_at == NOW else {"timestamp": event.occurred_at})


@given(value=JSON_VALUES | EVENTS | st.lists(EVENTS | JSON_VALUES).map(lambda events: {"events": events}))
def test_any_json_is_read_or_refused(value: object) -> None:
    judge(json.dumps(value).encode())


@given(body=st.binary())
@example(body=b'{"id":"a","type":"http_request","quantity":1e-999999999999}')
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    judge(body)


@given(value=EVENTS, data=st.data())
def test_damaged_json_is_read_or_refused(value: object, data: st.DataObject) -> None:
    body = bytearray(json.dumps(value).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(body) - 1))
        body[position : position + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
        body = body or bytearray(b"{")
    judge(bytes(body))


@given(value=st.dictionaries(FIELDS, JSON_VALUES))
def test_any_mapping_is_read_or_refused(value: dict[str, Any]) -> None:
    assert isinstance(parse_event(value, 0, NOW, RULES), (ParsedEvent, Rejection))
