"""Batches of events to the API of an installation, with the same ids again after a lost connection."""

import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
import requests

SECONDS_PER_TRY: Final = 60
# One a try.
_PAUSES_SECONDS: Final = (0.5, 1, 2, 5)
_AGAIN: Final = frozenset({408, 429, 502, 503, 504})
_PATH: Final = "/api/v1/events"


class RejectedItem(msgspec.Struct, frozen=True):
    """A line of a batch that was not stored."""

    index: int
    code: str
    detail: str


class BatchOutcome(msgspec.Struct, frozen=True):
    """The outcome of a batch."""

    accepted: int
    duplicates: int
    results: Sequence[RejectedItem] = ()


class SendingFailedError(Exception):
    """The API refused a whole batch, or could not be reached. The message is a sentence."""


_OUTCOME: Final = msgspec.json.Decoder(BatchOutcome)
_DETAIL: Final = msgspec.json.Decoder(dict[str, Any])


class EventApi:
    """Sends lines to `POST /events` of one installation with one key."""

    def __init__(self, url: str, secret: str, *, pause: Callable[[float], None] = time.sleep) -> None:
        self._url = url.rstrip("/").removesuffix(_PATH) + _PATH
        self._pause = pause
        self._session = requests.Session()
        self._session.headers.update({"Authorization": f"Bearer {secret}", "Content-Type": "application/x-ndjson"})

    def send(self, lines: Sequence[bytes]) -> BatchOutcome:
        """Send lines as one batch. Raises `SendingFailedError` after some tries."""
        body, failure = b"\n".join(lines), ""
        for pause in (*_PAUSES_SECONDS, None):
            asked = 0.0
            try:
                response = self._session.post(self._url, data=body, timeout=SECONDS_PER_TRY, allow_redirects=False)
            except requests.RequestException as error:
                failure = f"{self._url} cannot be reached: {type(error).__name__}."
            else:
                outcome = _outcome_of(response)
                if outcome is not None:
                    return outcome
                failure = f"{response.status_code}: {_detail_of(response)}"
                if response.status_code not in _AGAIN:
                    break
                asked = _retry_after(response)
            if pause is not None:  # nothing follows the last try
                self._pause(max(pause, asked))
        raise SendingFailedError(failure)


def _outcome_of(response: requests.Response) -> BatchOutcome | None:
    """Return the outcome, also of a batch of which nothing was stored; None for any other response."""
    if response.status_code not in (HTTPStatus.OK, HTTPStatus.UNPROCESSABLE_ENTITY):
        return None
    try:
        return _OUTCOME.decode(response.content)
    except msgspec.DecodeError:
        return None


def _detail_of(response: requests.Response) -> str:
    try:
        return str(_DETAIL.decode(response.content).get("detail", ""))
    except msgspec.DecodeError:
        return "The response is not one of this product."


def _retry_after(response: requests.Response) -> float:
    text = response.headers.get("Retry-After", "")
    return min(int(text), SECONDS_PER_TRY) if text.isdecimal() else 0
