"""Reports of leaked keys, as secret scanners send them: GitHub's secret scanning partner protocol. Pure.

A report is a list of `{token, type, url, source}`, signed by the scanner. The response labels each token by its
SHA-256, so that no response holds a secret.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from accounts.domain.masking import mask_secrets
from accounts.domain.roles import Capability, Role
from accounts.errors import FieldError, InvalidFieldsError, MalformedBodyError
from accounts.notices.domain.mails import MailKind

KEY_LEAK: Final = MailKind(
    name="key_leak",
    wish="wants_key_leaks",
    capability=Capability.MANAGE_KEYS,
    roles_by_default=frozenset({Role.OWNER, Role.ADMIN, Role.DEVELOPER}),
    title="Leaked keys",
    page="keys/",
    is_urgent=True,
)
TOKENS_MAX: Final = 1000
URL_CHARACTERS_MAX: Final = 2000
WORD_CHARACTERS_MAX: Final = 100
TRUE_POSITIVE: Final = "true_positive"
FALSE_POSITIVE: Final = "false_positive"
_SIGNATURE_CHARACTERS_MAX: Final = 200
_PEM_LINE: Final = "-----"


@dataclass(frozen=True, slots=True)
class ReportedToken:
    """A text that a scanner took for a key, and the place where it was found."""

    token: str = field(repr=False)
    type: str
    url: str
    source: str

    @property
    def place_digest(self) -> bytes:
        """Return a digest of the place, by which a repeated report is recognized."""
        return hashlib.sha256(f"{self.source}\n{self.url}".encode()).digest()

    def labelled(self, *, is_real: bool) -> dict[str, str]:
        """Return its part of the response."""
        return {
            "token_hash": hashlib.sha256(self.token.encode()).hexdigest(),
            "token_type": self.type,
            "label": TRUE_POSITIVE if is_real else FALSE_POSITIVE,
        }


def parse_report(body: object) -> list[ReportedToken]:
    """Parse a decoded report. Raises `MalformedBodyError`, and `InvalidFieldsError` if there are too many tokens."""
    if not isinstance(body, list):
        raise MalformedBodyError("The body is a list of {token, type, url, source}.")
    if len(body) > TOKENS_MAX:
        detail = f"A report has at most {TOKENS_MAX} tokens."
        raise InvalidFieldsError(detail, field_errors=(FieldError("", "too_many", detail),))
    refused = tuple(
        FieldError(f"/{position}/token", "required", "Each item is an object with a text `token`.")
        for position, item in enumerate(body)
        if not isinstance(item, dict) or not isinstance(item.get("token"), str)
    )
    if refused:
        raise MalformedBodyError(refused[0].detail, field_errors=refused)
    return [_reported(item) for item in body]


def read_public_key(encoded: str) -> EllipticCurvePublicKey | None:
    """Return a P-256 key from its PEM, or from the base64 of a PEM. None if it is no such key."""
    lines = (line.strip() for line in encoded.splitlines())
    try:
        der = base64.b64decode("".join(line for line in lines if not line.startswith(_PEM_LINE)), validate=True)
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):  # binascii's error is a ValueError
        return None
    return key if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1) else None


def is_signed(body: bytes, *, signature: str, key: EllipticCurvePublicKey) -> bool:
    """Return whether the signature, ECDSA with SHA-256 in base64, is the key's over exactly these bytes."""
    if len(signature) > _SIGNATURE_CHARACTERS_MAX:
        return False
    try:
        key.verify(base64.b64decode(signature, validate=True), body, ECDSA(SHA256()))
    except (binascii.Error, ValueError, InvalidSignature):
        return False
    return True


def pinned_keys(pairs: Iterable[str]) -> dict[str, EllipticCurvePublicKey]:
    """Return keys by identifier from texts such as `identifier=MFkw…`. Raises `ValueError` for any other text."""
    keys = {}
    for pair in pairs:
        identifier, _, encoded = pair.partition("=")
        key = read_public_key(encoded)
        if not identifier or key is None:
            raise ValueError(f"{pair[:40]!r} is not an identifier, an equals sign and a P-256 key in base64")
        keys[identifier] = key
    return keys


def published_keys(body: object) -> dict[str, EllipticCurvePublicKey]:
    """Return the usable keys of a scanner's `{"public_keys": [{key_identifier, key}]}`, by identifier."""
    rows = body.get("public_keys") if isinstance(body, Mapping) else None
    keys = {}
    for row in rows if isinstance(rows, list) else []:
        identifier, encoded = (row.get("key_identifier"), row.get("key")) if isinstance(row, Mapping) else (None, None)
        key = read_public_key(encoded) if isinstance(encoded, str) else None
        if isinstance(identifier, str) and key is not None:
            keys[identifier] = key
    return keys


def _reported(item: Mapping[str, Any]) -> ReportedToken:
    return ReportedToken(
        token=item["token"],
        type=_storable(item.get("type"), WORD_CHARACTERS_MAX),
        url=_storable(item.get("url"), URL_CHARACTERS_MAX),
        source=_storable(item.get("source"), WORD_CHARACTERS_MAX),
    )


def _storable(value: object, characters_max: int) -> str:
    """Return a text of the report as one printable line without secrets; anything but a text is empty."""
    if not isinstance(value, str):
        return ""
    return mask_secrets("".join(character for character in value if character.isprintable()))[:characters_max]
