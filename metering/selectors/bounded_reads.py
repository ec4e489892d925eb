"""Reads that may scan very many events, and therefore time out after some seconds."""

from collections.abc import Mapping
from typing import Any, Final

from django.db import OperationalError, transaction
from psycopg.errors import QueryCanceled

from accounts.sql import fetch_all
from metering.errors import QueryTooLargeError

MILLISECONDS_MAX: Final = 15_000
LIMIT = "SELECT set_config('statement_timeout', %(milliseconds)s, true)"


def fetch_in_time(
    statement: str, parameters: Mapping[str, object], *, milliseconds_max: int = MILLISECONDS_MAX
) -> list[tuple[Any, ...]]:
    """Fetch rows. Raises `QueryTooLargeError` after `milliseconds_max`: one query must not occupy the server."""
    try:
        with transaction.atomic():
            fetch_all(LIMIT, {"milliseconds": str(milliseconds_max)})
            return fetch_all(statement, parameters)
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise QueryTooLargeError(
                "The query takes too long. Ask for a shorter span of time, or for less detail."
            ) from error
        raise
