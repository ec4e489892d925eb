"""What is signed: the root of a tenant's day, a receipt, and a key's successor, each as a text of lines.

`docs/algorithms/proofs.md` defines each line with worked values. A text never changes once one was signed: a new form
has a new first line.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final
from uuid import UUID

from metering.proofs.domain.trees import HASH_BYTES

NOTHING_BEFORE: Final = bytes(HASH_BYTES)
ROOT_FORM: Final = "countinghouse root v1"
RECEIPT_FORM: Final = "countinghouse receipt v1"
KEY_FORM: Final = "countinghouse key v1"
_KEY_ID_CHARACTERS: Final = 16


@dataclass(frozen=True, slots=True)
class RootStatement:
    """The root of one ledger's day. `previous` is the digest of the statement of the day before, or zeros.

    `late` counts the leaves that were received the day before, and stored after its tree was closed. `oldest_at` is the
    earliest time of an event in the tree.
    """

    tenant_id: UUID
    is_live: bool
    day: date
    leaves: int
    late: int
    oldest_at: datetime | None
    root: bytes
    previous: bytes
    key_id: str
    signed_at: datetime

    @property
    def text(self) -> bytes:
        """Return the bytes that are signed."""
        return _lines(
            ROOT_FORM,
            f"tenant {self.tenant_id}",
            f"ledger {half_name(is_live=self.is_live)}",
            f"day {self.day.isoformat()}",
            f"leaves {self.leaves}",
            f"late {self.late}",
            f"oldest {'-' if self.oldest_at is None else instant_text(self.oldest_at)}",
            f"root {self.root.hex()}",
            f"previous {self.previous.hex()}",
            f"key {self.key_id}",
            f"signed {instant_text(self.signed_at)}",
        )

    @property
    def digest(self) -> bytes:
        """Return the digest that the statement of the next day names."""
        return hashlib.sha256(self.text).digest()


@dataclass(frozen=True, slots=True)
class ReceiptStatement:
    """What one call stored: the leaves of its events, in the order of the call."""

    tenant_id: UUID
    is_live: bool
    leaves: tuple[tuple[date, bytes], ...]
    key_id: str
    signed_at: datetime

    @property
    def text(self) -> bytes:
        """Return the bytes that are signed."""
        return _lines(
            RECEIPT_FORM,
            f"tenant {self.tenant_id}",
            f"ledger {half_name(is_live=self.is_live)}",
            f"key {self.key_id}",
            f"signed {instant_text(self.signed_at)}",
            *(f"leaf {day.isoformat()} {leaf.hex()}" for day, leaf in self.leaves),
        )


def endorsement_text(*, public_key: bytes, created_at: datetime) -> bytes:
    """Return what the earlier key signs of its successor."""
    return _lines(KEY_FORM, f"public {public_key.hex()}", f"created {instant_text(created_at)}")


def key_id_of(public_key: bytes) -> str:
    """Return the name of a key: the beginning of the digest of its public part."""
    return hashlib.sha256(public_key).hexdigest()[:_KEY_ID_CHARACTERS]


def half_name(*, is_live: bool) -> str:
    """Return the name of a half of a tenant's ledger."""
    return "live" if is_live else "test"


def instant_text(at: datetime) -> str:
    """Return an instant in UTC with six digits of a second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _lines(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
