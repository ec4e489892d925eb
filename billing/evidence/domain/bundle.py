"""The parts of a bundle of evidence as bytes, and the text that is signed. Pure; `docs/algorithms/evidence.md`."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import Any, Final
from uuid import UUID

from accounts.domain.plain import canonical_json

FORM: Final = "countinghouse evidence v1"


class EventsShown(StrEnum):
    """What a bundle shows of events: their contents, or their hashes alone."""

    FULL = "full"
    HASHES = "hashes"


@dataclass(frozen=True, slots=True)
class EvidenceStatement:
    """What is signed: `head` is the digest of all that the invoice was computed from."""

    tenant_id: UUID
    invoice: str
    head: bytes
    key_id: str

    @property
    def text(self) -> bytes:
        """Return the bytes that are signed."""
        lines = (
            FORM,
            f"tenant {self.tenant_id}",
            f"invoice {self.invoice}",
            f"head {self.head.hex()}",
            f"key {self.key_id}",
        )
        return "".join(f"{line}\n" for line in lines).encode()


def digest_of_head(head: Mapping[str, object]) -> bytes:
    """Return the SHA-256 of a head in its one form."""
    return hashlib.sha256(canonical_json(head)).digest()


def written(
    *,
    head: Mapping[str, object],
    signature: Mapping[str, object],
    keys: Sequence[Mapping[str, object]],
    days: Sequence[Mapping[str, object]],
    events: Iterable[Mapping[str, Any]],
) -> Iterator[bytes]:
    """Yield a bundle as one JSON object; each key, day and event is a line of its own."""
    yield b'{"format":' + canonical_json(FORM)
    yield b',\n"head":' + canonical_json(head)
    yield b',\n"signature":' + canonical_json(signature)
    yield b',\n"keys":'
    yield from _listed(keys)
    yield b',\n"days":'
    yield from _listed(days)
    yield b',\n"events":'
    yield from _listed(events)
    yield b"}\n"


def _listed(rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    found = iter(rows)
    first = next(found, None)
    if first is None:
        yield b"[]"
        return
    begin = b"[\n"
    for row in chain([first], found):
        yield begin + canonical_json(row)
        begin = b",\n"
    yield b"\n]"
