"""Read a whole table by pages, whatever its length, for an export of a tenant."""

from collections.abc import Iterator
from typing import Any, Final

from django.db.models import F, QuerySet

PAGE_ROWS: Final = 2000


def pages_of(rows: QuerySet[Any], /, *fields: str, **renamed: str) -> Iterator[list[dict[str, object]]]:
    """Yield the rows in the order of their primary key, a page at a time, each with these columns.

    `renamed` gives a name to a column of another table: `plan="plan_version__plan__code"`.
    """
    named = {name: F(path) for name, path in renamed.items()}
    last: object = None
    while True:
        left = rows if last is None else rows.filter(pk__gt=last)
        page = list(left.order_by("pk").values("pk", *fields, **named)[:PAGE_ROWS])
        for row in page:
            last = row.pop("pk")
        if page:
            yield page
        if len(page) < PAGE_ROWS:
            return
