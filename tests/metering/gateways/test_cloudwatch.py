"""Lines out of the documents that CloudWatch's subscriptions deliver."""

import gzip
import io
import json
from typing import Any

import pytest

from metering.gateways import cloudwatch
from metering.gateways.cloudwatch import InvalidDocumentError, messages_in
from metering.gateways.log_lines import LogLine, LogLines, UnreadableLogError


def document(*messages: Any, kind: str = "DATA_MESSAGE") -> bytes:
    events = [{"id": str(n), "timestamp": 1431857103000, "message": message} for n, message in enumerate(messages)]
    return json.dumps({"messageType": kind, "logGroup": "gateway", "logEvents": events}).encode()


def test_documents_follow_one_another_without_a_separator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloudwatch, "CHUNK_BYTES", 7)
    whole = document("one\n", 'two "é"') + document("a test", kind="CONTROL_MESSAGE") + b"\n" + document("three")
    assert list(messages_in(io.BytesIO(whole))) == [b"one", 'two "é"'.encode(), b"three"]


@pytest.mark.parametrize(
    "wrong",
    [document("two")[:-5], b"nonsense", b"[]", b'{"messageType": "DATA_MESSAGE"}', document(7), b'{"a":' * 30_000],
)
def test_what_was_read_before_a_wrong_document_is_kept(wrong: bytes) -> None:
    messages = messages_in(io.BytesIO(document("one") + wrong))
    assert next(messages) == b"one"
    with pytest.raises(InvalidDocumentError):
        next(messages)


def test_a_log_of_documents_is_read_as_its_lines() -> None:
    packed = gzip.compress(document("one", "two")) + gzip.compress(document("three"))
    assert list(LogLines(io.BytesIO(packed))) == [
        LogLine(1, b"one"),
        LogLine(2, b"two"),
        LogLine(3, b"three"),
    ]
    with pytest.raises(UnreadableLogError, match="end early"):
        list(LogLines(io.BytesIO(document("one")[:-3])))
