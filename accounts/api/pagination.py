"""Pages in the contract's form: `?limit=`, `?cursor=`, and a body of `data`, `next` and `previous`."""

from collections.abc import Callable
from typing import Final, TypeVar
from urllib.parse import urlencode

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from accounts.domain.pages import (
    PAGE_ROWS_DEFAULT,
    PAGE_ROWS_MAX,
    InvalidCursorError,
    Page,
    PageRequest,
    read_cursor,
    write_cursor,
)
from accounts.errors import FieldError, InvalidFieldsError

Row = TypeVar("Row")

PAGE_PARAMETERS: Final = [
    OpenApiParameter(
        "limit", int, description=f"Rows in the response: 1 to {PAGE_ROWS_MAX}, by default {PAGE_ROWS_DEFAULT}."
    ),
    OpenApiParameter("cursor", str, description="From `next` or `previous` of an earlier response."),
]


def page_request_of(request: Request) -> PageRequest:
    """Read `limit` and `cursor`. Raises 422."""
    rows_max = _limit_of(request)
    cursor = request.query_params.get("cursor")
    if not cursor:
        return PageRequest(rows_max)
    try:
        return read_cursor(cursor, rows_max=rows_max)
    except InvalidCursorError as error:
        raise invalid_cursor() from error


def invalid_cursor() -> InvalidFieldsError:
    """Return the error for a cursor that is forged, or belongs to another list."""
    refusal = FieldError("/cursor", "invalid_cursor", "The cursor belongs to another list.")
    return InvalidFieldsError(refusal.detail, field_errors=(refusal,), code=refusal.code)


def _limit_of(request: Request) -> int:
    text = request.query_params.get("limit")
    if text is None or text == "":
        return PAGE_ROWS_DEFAULT
    if text.isascii() and text.isdecimal() and len(text) <= len(str(PAGE_ROWS_MAX)) and 1 <= int(text) <= PAGE_ROWS_MAX:
        return int(text)
    refusal = FieldError("/limit", "invalid_limit", f"A whole number from 1 to {PAGE_ROWS_MAX}.")
    raise InvalidFieldsError(refusal.detail, field_errors=(refusal,), code=refusal.code)


def page_body(request: Request, page: Page[Row], present: Callable[[Row], object]) -> dict[str, object]:
    """Return the body of a list; `present` turns a row into its JSON form."""
    return {
        "data": [present(row) for row in page.rows],
        "next": _url_of(request, page.next),
        "previous": _url_of(request, page.previous),
    }


def read_page(
    request: Request, read: Callable[[PageRequest], Page[Row]], present: Callable[[Row], object]
) -> dict[str, object]:
    """Read the requested page with `read`, a selector, and return its body. Raises 422."""
    try:
        return page_body(request, read(page_request_of(request)), present)
    except InvalidCursorError as error:
        raise invalid_cursor() from error


def _url_of(request: Request, page: PageRequest | None) -> str | None:
    """Return the URL of the same list with another cursor."""
    if page is None:
        return None
    query = request.query_params.copy()
    query["cursor"] = write_cursor(page)
    return f"{request.build_absolute_uri(request.path)}?{urlencode(list(query.lists()), doseq=True)}"
