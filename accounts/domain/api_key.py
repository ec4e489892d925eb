"""The format of API keys: a kind's prefix, 32 random base62 characters, a checksum.

By the checksum our own code, or a secret scanner, recognizes a key without a look-up.
It does not prove that we created the key: only the digest does.
"""

import hashlib
import re
import secrets
import string
import zlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_ALPHABET: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SECRET_CHARACTERS: Final = 32
_CHECKSUM_CHARACTERS: Final = 6
_SHAPE: Final = re.compile(r"ch_(live|test|svc)_[0-9A-Za-z]{38}", re.ASCII)


class KeyKind(StrEnum):
    """The ledger a key meters into, or that it is the operator's own."""

    LIVE = "live"
    TEST = "test"
    SERVICE = "service"

    @property
    def prefix(self) -> str:
        """Return the prefix of every key of this kind."""
        return _PREFIXES[self]


_PREFIXES: Final = {
    KeyKind.LIVE: "ch_live_",
    KeyKind.TEST: "ch_test_",
    KeyKind.SERVICE: "ch_svc_",
}
_KINDS: Final = {
    "live": KeyKind.LIVE,
    "test": KeyKind.TEST,
    "svc": KeyKind.SERVICE,
}


@dataclass(frozen=True, slots=True)
class ParsedKey:
    """A well-formed key without its secret: what may be stored, logged and shown."""

    kind: KeyKind
    digest: bytes
    prefix: str
    last_four: str


def generate_key(kind: KeyKind) -> str:
    """Generate a new key of `kind` with 190 bits from the system's random source."""
    characters = (secrets.choice(_ALPHABET) for _ in range(_SECRET_CHARACTERS))
    body = kind.prefix + "".join(characters)
    return body + _checksum(body)


def parse_key(text: str) -> ParsedKey | None:
    """Parse a key. Return None if `text`, which may be hostile, is not one."""
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        return None
    body, checksum = text[:-_CHECKSUM_CHARACTERS], text[-_CHECKSUM_CHARACTERS:]
    if _checksum(body) != checksum:
        return None
    return ParsedKey(
        kind=_KINDS[shape[1]],
        digest=digest_of(text),
        prefix=prefix_of(text),
        last_four=last_four_of(text),
    )


def digest_of(text: str) -> bytes:
    """Return the SHA-256 under which a key is stored and found, 32 bytes.

    A plain hash is enough: 190 random bits leave nothing to guess.
    """
    return hashlib.sha256(text.encode()).digest()


def prefix_of(text: str) -> str:
    """Return the first 12 characters, by which people recognize their keys."""
    return text[:12]


def last_four_of(text: str) -> str:
    """Return the last 4 characters, which belong to the checksum."""
    return text[-4:]


def _checksum(body: str) -> str:
    """Return the CRC-32 of `body` in base62, padded to 6 characters."""
    number = zlib.crc32(body.encode())
    digits = ""
    for _ in range(_CHECKSUM_CHARACTERS):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
