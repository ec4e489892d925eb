"""The public keys of the secret scanner: pinned by a setting, or fetched from the address that the operator named.

Nothing in a report chooses the address. It is fetched without redirects, within the request's time, behind a circuit,
and at most once a minute for unknown identifiers, so that forged reports cause no traffic.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import requests
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from django.conf import settings

from accounts.errors import StoreUnavailableError
from accounts.gateways.outside import NO_ANSWER, call_outside
from accounts.keys.domain.leaks import published_keys

FETCHED_AFTER: Final = timedelta(hours=6)
RETRIED_AFTER: Final = timedelta(minutes=1)
BYTES_MAX: Final = 256 * 1024
_TIMEOUTS: Final = (2, 3)
_CIRCUIT: Final = "secret scanner"


class ScannerKeysError(Exception):
    """The scanner's address did not return a list of keys."""


@dataclass(slots=True)
class _Fetched:
    """What this process fetched last, when, and when it tried last."""

    keys: Mapping[str, EllipticCurvePublicKey] = field(default_factory=dict)
    fetched_at: datetime | None = None
    tried_at: datetime | None = None


_fetched: Final = _Fetched()


def is_scanner_known() -> bool:
    """Return whether the operator has named a secret scanner."""
    return bool(settings.LEAK_SCANNER_KEYS or settings.LEAK_SCANNER_KEYS_URL)


def scanner_key(identifier: str, *, as_of: datetime) -> EllipticCurvePublicKey | None:
    """Return the scanner's key of this identifier, or None if it has none.

    Raises `StoreUnavailableError` if its keys must be fetched and cannot be.
    """
    pinned: EllipticCurvePublicKey | None = settings.LEAK_SCANNER_KEYS.get(identifier)
    if pinned is not None or not settings.LEAK_SCANNER_KEYS_URL:
        return pinned
    if _is_older(_fetched.fetched_at, FETCHED_AFTER, as_of) or identifier not in _fetched.keys:
        _fetch(as_of)
    return _fetched.keys.get(identifier)


def forget_scanner_keys() -> None:
    """Clear what this process fetched."""
    _fetched.keys, _fetched.fetched_at, _fetched.tried_at = {}, None, None


def _fetch(as_of: datetime) -> None:
    """Fetch the keys, unless this process tried within the last minute. Keys that are no longer published are lost."""
    if not _is_older(_fetched.tried_at, RETRIED_AFTER, as_of):
        if _fetched.fetched_at is None:
            raise _unavailable()
        return
    _fetched.tried_at = as_of
    try:
        body = call_outside(_CIRCUIT, _read_address, (requests.RequestException, ScannerKeysError))
    except (*NO_ANSWER, requests.RequestException, ScannerKeysError) as error:
        raise _unavailable() from error
    _fetched.keys, _fetched.fetched_at = published_keys(body), as_of


def _read_address() -> object:
    with requests.get(
        settings.LEAK_SCANNER_KEYS_URL, timeout=_TIMEOUTS, allow_redirects=False, stream=True
    ) as response:
        if response.status_code != requests.codes.ok:
            raise ScannerKeysError(f"Status {response.status_code}.")
        text = response.raw.read(BYTES_MAX + 1, decode_content=True)
    if len(text) > BYTES_MAX:
        raise ScannerKeysError(f"More than {BYTES_MAX} bytes.")
    try:
        return json.loads(text)
    except ValueError as error:
        raise ScannerKeysError("A body that is not JSON.") from error


def _is_older(instant: datetime | None, age: timedelta, as_of: datetime) -> bool:
    return instant is None or not timedelta(0) <= as_of - instant < age


def _unavailable() -> StoreUnavailableError:
    seconds = int(RETRIED_AFTER.total_seconds())
    return StoreUnavailableError("The scanner's public keys cannot be read now.", retry_after_seconds=seconds)
