"""The terms of an endpoint as a customer enters them, checked. Pure."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from accounts.domain.public_addresses import InvalidUrlError, Network, Target, read_target
from accounts.domain.texts import line_problem
from accounts.errors import FieldError, InvalidFieldsError

ENDPOINTS_MAX: Final = 50
DESCRIPTION_CHARACTERS_MAX: Final = 200
GRACE_DEFAULT: Final = timedelta(days=1)
GRACE_MAX: Final = timedelta(days=30)


def checked_url(url: str, allowed: Sequence[Network]) -> Target:
    """Return the URL, read strictly. Raises `InvalidFieldsError` with the code `invalid_url`."""
    try:
        return read_target(url, allowed)
    except InvalidUrlError as error:
        raise _refused("/url", "invalid_url", str(error)) from error


def checked_description(text: str) -> str:
    """Return the description without surrounding spaces. Raises `InvalidFieldsError`."""
    text = text.strip()
    problem = line_problem(text, pointer="/description", characters_max=DESCRIPTION_CHARACTERS_MAX)
    if problem is not None:
        raise InvalidFieldsError(problem.detail, field_errors=(problem,))
    return text


def checked_grace(grace: timedelta) -> timedelta:
    """Return how long the earlier secret signs too. Raises `InvalidFieldsError`."""
    if not timedelta(0) <= grace <= GRACE_MAX:
        seconds = int(GRACE_MAX.total_seconds())
        raise _refused("/grace_seconds", "invalid_grace", f"From 0 to {seconds} seconds.")
    return grace


def _refused(pointer: str, code: str, detail: str) -> InvalidFieldsError:
    return InvalidFieldsError(detail, field_errors=(FieldError(pointer, code, detail),), code=code)
