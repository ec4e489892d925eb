"""Keyset pages over a queryset; raw SQL selectors use `accounts.domain.pages` directly."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet

from accounts.domain.pages import InvalidCursorError, Page, PageRequest, RowPosition, cut_page

Row = TypeVar("Row", bound=Model)


def page_of(
    rows: QuerySet[Row],
    request: PageRequest,
    *,
    instant_field: str,
    parse_id: Callable[[str], Any] = int,
) -> Page[Row]:
    """Return one page, by (`instant_field`, `pk`), newest first. Raises `InvalidCursorError`."""
    if request.position is not None:
        rows = rows.filter(_beyond(request.position, instant_field, parse_id, is_backwards=request.is_backwards))
    order = (instant_field, "pk") if request.is_backwards else (f"-{instant_field}", "-pk")
    found = list(rows.order_by(*order)[: request.rows_to_read])
    return cut_page(found, request, lambda row: RowPosition(getattr(row, instant_field), str(row.pk)))


def _beyond(position: RowPosition, instant_field: str, parse_id: Callable[[str], Any], *, is_backwards: bool) -> Q:
    """Return the condition for rows older than the position's, or newer ones if `is_backwards`."""
    side = "gt" if is_backwards else "lt"
    try:
        row_id = parse_id(position.id)
    except ValueError as error:
        raise InvalidCursorError("The cursor belongs to another list.") from error
    return Q(**{f"{instant_field}__{side}": position.at}) | Q(**{instant_field: position.at, f"pk__{side}": row_id})
