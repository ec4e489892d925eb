"""Query parameters of the metering calls. A value that cannot be read is refused by name, never guessed."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final, NoReturn
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from accounts.errors import FieldError, InvalidFieldsError
from metering.domain.http_requests import API_REQUESTS
from metering.domain.instants import InvalidInstantError, read_instant
from metering.domain.ledger import Ledger
from metering.domain.meter_rules import MeterRule
from metering.domain.periods import YearMonth, is_in_reach, local_day, start_of_day
from metering.domain.texts import is_storable
from metering.selectors.usage import api_key_id_of, meter_named

TEXT_CHARACTERS_MAX: Final = 4096
_MILLISECONDS_DIGITS_MAX: Final = 15

METER_PARAMETER: Final = OpenApiParameter("meter", str, description=f"A meter's code; by default `{API_REQUESTS}`.")
API_KEY_PARAMETER: Final = OpenApiParameter("api_key", str, description="A key's id, or its first 12 characters.")

BOM_PARAMETER: Final = OpenApiParameter(
    "bom", bool, description="With 1, CSV begins with a byte order mark, by which Excel knows that it is UTF-8."
)


def refuse(name: str, code: str, detail: str) -> NoReturn:
    """Raise the 422 of one query parameter."""
    raise InvalidFieldsError(detail, field_errors=(FieldError(f"/{name}", code, detail),), code=code)


def text_of(request: Request, name: str) -> str | None:
    """Return the parameter's text, or None if it is absent or empty.

    A text that no event could contain is refused.
    """
    text = request.query_params.get(name)
    if not text:
        return None
    if len(text) > TEXT_CHARACTERS_MAX or not is_storable(text):
        refuse(name, "invalid_text", "The text is too long, or contains a character that no event can contain.")
    return str(text)


def day_of(request: Request, name: str) -> date | None:
    """Return a calendar day, given as 2026-11-21."""
    text = text_of(request, name)
    if text is None:
        return None
    day = _read_day(text)
    if day is None:
        refuse(name, "invalid_date", "A day such as 2026-11-21.")
    return day


def instant_of(request: Request, name: str, zone: str) -> datetime | None:
    """Return an RFC 3339 time with an offset, epoch milliseconds, or the start of a day in the tenant's time zone."""
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
        refuse(name, "invalid_timestamp", "Not a time that exists.")
    return instant


def require_span(start: date | None, end: date | None) -> None:
    """Raise 422 `invalid_span` if both ends of a span are given, as days or as instants, and it is empty."""
    if start is not None and end is not None and end <= start:
        refuse("end", "invalid_span", "`end` is excluded, so it is later than `start`.")


def flag_of(request: Request, name: str) -> bool:
    """Return whether the parameter is `1` or `true`; it is not if absent. Raises 422 `invalid_flag`."""
    text = text_of(request, name)
    if text not in {None, "1", "true", "0", "false"}:
        refuse(name, "invalid_flag", "1 or 0.")
    return text in {"1", "true"}


def month_of(request: Request, as_of: datetime, zone: str) -> YearMonth:
    """Return a month, given as 2026-11; by default the current one."""
    text = text_of(request, "month")
    if text is None:
        return YearMonth.of(local_day(as_of, zone))
    month = YearMonth.parse(text)
    if month is None:
        refuse("month", "invalid_month", "A month such as 2026-11.")
    return month


def meter_of(request: Request) -> MeterRule:
    """Return the meter that the request names. Raises 422 `unknown_meter`."""
    return meter_named(text_of(request, "meter") or API_REQUESTS)


def api_key_of(request: Request, ledger: Ledger) -> UUID | None:
    """Return the key that the request names, if any. Raises 404, or 422 if several keys begin alike."""
    text = text_of(request, "api_key")
    return None if text is None else api_key_id_of(tenant_id=ledger.tenant_id, text=text)


def names_of(request: Request, name: str) -> tuple[str, ...]:
    """Return a list that is separated by commas, by repeating the parameter, or both; each name counts once."""
    parts: Sequence[str] = [part.strip() for text in request.query_params.getlist(name) for part in text.split(",")]
    return tuple(dict.fromkeys(part for part in parts if part))


def _read_day(text: str) -> date | None:
    """Return the day in `YYYY-MM-DD`. Python's own parser accepts more forms than a client should rely on."""
    is_shaped = len(text) == len("2026-11-21") and text[4] == text[7] == "-" and text.isascii()
    try:
        day = date.fromisoformat(text) if is_shaped else None
    except ValueError:
        return None
    return day if day is not None and is_in_reach(day) else None
