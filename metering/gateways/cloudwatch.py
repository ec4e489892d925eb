"""What a subscription of CloudWatch Logs delivers through Firehose: JSON documents without a separator.

A document is `{"messageType": "DATA_MESSAGE", "logEvents": [{"message": "a line"}, …], …}`. One of another type only
tests the connection.
"""

import codecs
import json
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

BEGINNING: Final = b'{"messageType"'
CHUNK_BYTES: Final = 1024 * 1024
# A document holds up to 1 MiB of compressed lines.
DOCUMENT_CHARACTERS_MAX: Final = 64 * 1024 * 1024
_DECODER: Final = json.JSONDecoder()


class InvalidDocumentError(Exception):
    """The documents end early, or one is not such JSON; everything before it was read."""


def messages_in(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of all documents of a stream. Raises `InvalidDocumentError`."""
    for document in _documents(stream):
        events = document.get("logEvents") if isinstance(document, dict) else None
        if not isinstance(events, list):
            raise InvalidDocumentError("A document of CloudWatch has no logEvents.")
        if document.get("messageType") != "DATA_MESSAGE":
            continue
        for event in events:
            message = event.get("message") if isinstance(event, dict) else None
            if not isinstance(message, str):
                raise InvalidDocumentError("A log event of CloudWatch has no message.")
            yield message.encode("utf-8", "backslashreplace").rstrip(b"\r\n")


def _documents(stream: BinaryIO) -> Iterator[Any]:
    texts = codecs.getincrementaldecoder("utf-8")("replace")
    waiting = ""
    while True:
        chunk = stream.read(CHUNK_BYTES)
        waiting = (waiting + texts.decode(chunk, final=not chunk)).lstrip()
        while waiting:
            try:
                document, end = _DECODER.raw_decode(waiting)
            except (json.JSONDecodeError, RecursionError) as error:
                if not chunk or len(waiting) > DOCUMENT_CHARACTERS_MAX:
                    raise InvalidDocumentError("The documents of CloudWatch end early or are corrupt.") from error
                break
            yield document
            waiting = waiting[end:].lstrip()
        if not chunk:
            return
