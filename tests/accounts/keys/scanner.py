"""A secret scanner of the tests: its key, its reports and their signatures."""

import base64
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.http import HttpResponse
from django.test import Client

IDENTIFIER = "f9525bf080f75b3506ca1ead061add62b8633a346606dc5fe544e29231c6ee0d"
SCANNER_KEY = generate_private_key(SECP256R1())


def encoded_key(key: Any = SCANNER_KEY) -> str:
    """Return the public key as the setting has it."""
    return base64.b64encode(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def pem_of(key: Any = SCANNER_KEY) -> str:
    """Return the public key as a scanner publishes it."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def signature_of(body: bytes, key: EllipticCurvePrivateKey = SCANNER_KEY) -> str:
    return base64.b64encode(key.sign(body, ECDSA(SHA256()))).decode()


def report(
    items: object, *, raw: bytes | None = None, signature: str | None = None, identifier: str = IDENTIFIER
) -> HttpResponse:
    """Send a report as the scanner does."""
    body = json.dumps(items).encode() if raw is None else raw
    headers = {
        "Github-Public-Key-Identifier": identifier,
        "Github-Public-Key-Signature": signature_of(body) if signature is None else signature,
    }
    return Client().generic("POST", "/api/v1/leaked-keys", body, "application/json", headers=headers)  # type: ignore[return-value]


def found(token: str, url: str = "https://github.com/acme/site/blob/main/.env", **more: str) -> dict[str, str]:
    return {"token": token, "type": "countinghouse_api_key", "url": url, "source": "content"} | more
