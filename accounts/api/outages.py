"""Responses when a store is down: PostgreSQL, or Redis if it is used.

An outage is neither an error of ours nor of the caller's. The response is 503 with `Retry-After`: a problem below
/api/ and a plain page elsewhere. Nothing was stored, or a retry is safe.
"""

from typing import Final

from django.db import InterfaceError, InternalError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from psycopg import Error as PostgresError
from psycopg.errors import IdleInTransactionSessionTimeout, ReadOnlySqlTransaction
from redis.exceptions import RedisError

from accounts.api.request_facts import request_id_of

RETRY_AFTER_SECONDS: Final = 5
# A server that is down, starting, stopping or out of connections, a full disk, a deadlock, a time-out.
_FAILURES: Final = (OperationalError, InterfaceError, RedisError)
# Causes that psycopg counts among the internal errors: a standby that has taken the place of its primary, and so on.
_CAUSES: Final = (ReadOnlySqlTransaction, IdleInTransactionSessionTimeout)


def is_outage(exception: BaseException | None) -> bool:
    """Return whether the exception means that a store is unavailable now."""
    if isinstance(exception, _FAILURES):
        return True
    return isinstance(exception, InternalError | PostgresError) and isinstance(
        exception.__cause__ or exception, _CAUSES
    )


def outage_page(request: HttpRequest) -> HttpResponse:
    """Return the page for people. It needs neither session nor store."""
    page = render_to_string("503.html", {"request_id": request_id_of(request)})
    return HttpResponse(page, status=503, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
