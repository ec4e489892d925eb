"""VIES, the Commission's service that checks whether a VAT number of a member state is in use.

Calls of its REST API have a timeout, and each member state has a circuit of its own, since each responds separately.
"""

from dataclasses import dataclass
from typing import Any, Final

import requests
from django.conf import settings

from accounts.gateways.deadlines import waiting_at_most
from accounts.gateways.outside import NO_ANSWER, call_outside

SECONDS_MAX: Final = 20
_TIMEOUTS: Final = (5, 15)
_CHARACTERS_MAX: Final = 500


class ViesError(Exception):
    """The number could not be checked: the service, or the member state's, is not available."""


@dataclass(frozen=True, slots=True)
class ViesAnswer:
    """A result of VIES. `reference` is its number of the consultation; name and address may be empty."""

    is_valid: bool
    reference: str
    name: str
    address: str


def is_vies_on() -> bool:
    """Return whether the operator has named the service."""
    return bool(settings.VIES_URL)


def query_vies(tax_id: str, *, requester: str) -> ViesAnswer:
    """Check whether a VAT number is in use; `requester` is the seller's own, which makes the result evidence.

    Raises `ViesError`.
    """
    question = {"countryCode": tax_id[:2], "vatNumber": tax_id[2:]}
    if requester:
        question |= {"requesterMemberStateCode": requester[:2], "requesterNumber": requester[2:]}
    try:
        with waiting_at_most(SECONDS_MAX):
            return call_outside(f"vies {tax_id[:2]}", lambda: _asked(question), (requests.RequestException, ViesError))
    except (*NO_ANSWER, requests.RequestException) as error:
        raise ViesError(f"{type(error).__name__}: {error}") from error


def _asked(question: dict[str, str]) -> ViesAnswer:
    answer = requests.post(
        f"{settings.VIES_URL.rstrip('/')}/check-vat-number", json=question, timeout=_TIMEOUTS, allow_redirects=False
    )
    try:
        body = answer.json()
    except ValueError as error:
        raise ViesError(f"Status {answer.status_code} without a JSON body.") from error
    if not isinstance(body, dict) or not isinstance(body.get("valid"), bool):
        raise ViesError(f"Status {answer.status_code}: {str(body)[:_CHARACTERS_MAX]}")
    return ViesAnswer(body["valid"], _text(body, "requestIdentifier"), _text(body, "name"), _text(body, "address"))


def _text(body: dict[str, Any], name: str) -> str:
    """Return the text of a field; VIES writes three dashes if a member state discloses nothing."""
    said = body.get(name)
    text = " ".join(said.replace("\0", "").split()) if isinstance(said, str) else ""
    return "" if text == "---" else text[:_CHARACTERS_MAX]
