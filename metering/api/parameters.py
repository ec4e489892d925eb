"""Query parameters of the metering calls, read strictly: what cannot be read is refused by name, never guessed."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final, NoReturn
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from accounts.errors import FieldError, InvalidFieldsError
from metering.domain.contribution import MeterRule
from metering.domain.http_requests import API_REQUESTS
from metering.domain.instants import InvalidInstantError, read_instant
from metering.domain.ledger import Ledger
from metering.domain.periods import YearMonth, is_in_reach, local_day, start_of_day
from metering.domain.texts import is_storable
from metering.selectors.usage import api_key_id_of, meter_named

TEXT_CHARACTERS_MAX: Final = 4096
_MILLISECONDS_DIGITS_MAX: Final = 15

METER_PARAMETER: Final = OpenApiParameter("meter", str, description=f"A meter's code; by default `{API_REQUESTS}`.")
API_KEY_PARAMETER: Final = OpenApiParameter("api_key", str, description="A key's id, or its first 12 characters.")


def refuse(name: str, code: str, detail: str) -> NoReturn:
    """Raise the 422 of one query parameter."""
    raise InvalidFieldsError(detail, field_errors=(FieldError(f"/{name}", code, detail),), code=code)


def text_of(request: Request, name: str) -> str | None:
    """The parameter's text; None where it is absent or empty.

    What no store could hold matches nothing, and is refused.
    """
    text = request.query_params.get(name)
    if not text:
        return None
    if len(text) > TEXT_CHARACTERS_MAX or not is_storable(text):
        refuse(name, "invalid_text", "The text is too long, or holds a character that no event can hold.")
    return str(text)


def day_of(request: Request, name: str) -> date | None:
    """A calendar day, as 2026-11-21."""
    text = text_of(request, name)
    if text is None:
        return None
    day = _read_day(text)
    if day is None:
        refuse(name, "invalid_date", "A day such as 2026-11-21.")
    return day


def instant_of(request: Request, name: str, zone: str) -> datetime | None:
    """An RFC 3339 time with an offset, or epoch milliseconds; a day stands for its beginning in the tenant's zone."""
    text = text_of(request, name)
    if text is None:
        return None
    day = _read_day(text)
    if day is not None:
        return start_of_day(day, zone)
    # A plus sign that was not percent-encoded arrives as a space.
    value = (
        int(text)
        if text.isascii() and text.isdecimal() and len(text) <= _MILLISECONDS_DIGITS_MAX
        else text.replace(" ", "+")
    )
    try:
        instant = read_instant(value)
    except InvalidInstantError as error:
        refuse(name, "invalid_timestamp", str(error))
    if not is_in_reach(instant.date()):
        refuse(name, "invalid_timestamp", "Not a time that a calendar holds.")
    return instant


def month_of(request: Request, as_of: datetime, zone: str) -> YearMonth:
    """A month such as 2026-11; by default the running one."""
    text = text_of(request, "month")
    if text is None:
        return YearMonth.of(local_day(as_of, zone))
    month = YearMonth.parse(text)
    if month is None:
        refuse("month", "invalid_month", "A month such as 2026-11.")
    return month


def meter_of(request: Request) -> MeterRule:
    """The meter that is asked about. Raises 422 `unknown_meter`."""
    return meter_named(text_of(request, "meter") or API_REQUESTS)


def api_key_of(request: Request, ledger: Ledger) -> UUID | None:
    """The key that is asked about, if one is. Raises 404, or 422 where several begin alike."""
    text = text_of(request, "api_key")
    return None if text is None else api_key_id_of(tenant_id=ledger.tenant_id, text=text)


def names_of(request: Request, name: str) -> tuple[str, ...]:
    """A list, given separated by commas, by repeating the parameter, or both; each name counts once."""
    parts: Sequence[str] = [part.strip() for text in request.query_params.getlist(name) for part in text.split(",")]
    return tuple(dict.fromkeys(part for part in parts if part))


def _read_day(text: str) -> date | None:
    """Only `YYYY-MM-DD`: Python's own reader takes more forms than a client should be able to rely on."""
    is_shaped = len(text) == len("2026-11-21") and text[4] == text[7] == "-" and text.isascii()
    try:
        day = date.fromisoformat(text) if is_shaped else None
    except ValueError:
        return None
    return day if day is not None and is_in_reach(day) else None
