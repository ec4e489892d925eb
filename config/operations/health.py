"""The health of this process (`/healthz`), of what it needs (`/readyz`), and its figures (`/metrics`).

A load balancer calls `/readyz` every few seconds, so each check is one small query. A stranger learns no more than up
or down.
"""

import secrets
from collections.abc import Callable
from functools import cache as remembered
from typing import Final

from django.conf import settings
from django.core.cache import cache
from django.db import Error, connection
from django.db.migrations.loader import MigrationLoader
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.domain.reach import WayIn, way_in
from config.operations.metrics import STORE_ERRORS, exposition, figures_at
from config.operations.queue import clusters_alive

UP: Final = "up"


class NotReadyError(Exception):
    """A failed check. Its message is a short sentence for the operator."""


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - a view's signature
    """Return 200: the process is running. Nothing else is checked."""
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 - a view's signature
    """Return 200 if everything is up, else 503. The body names each part and what is wrong with it."""
    parts = {name: _outcome(check) for name, check in CHECKS.items()}
    is_ready = all(outcome == UP for outcome in parts.values())
    return JsonResponse(
        {"status": "ready" if is_ready else "not ready", "checks": parts}, status=200 if is_ready else 503
    )


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Return figures for Prometheus, behind `METRICS_TOKEN`. Without a token they are refused in production."""
    expected = settings.METRICS_TOKEN
    if not expected and settings.IS_PRODUCTION:
        raise Http404
    if expected and not secrets.compare_digest(
        request.headers.get("Authorization", "").encode(), f"Bearer {expected}".encode()
    ):
        return HttpResponse(
            "A token is needed.\n", status=401, content_type="text/plain", headers={"WWW-Authenticate": "Bearer"}
        )
    with way_in(WayIn.JOBS):
        text = exposition(figures_at(timezone.now()))
    return HttpResponse(text, content_type="text/plain; version=0.0.4; charset=utf-8")


def _outcome(check: Callable[[], None]) -> str:
    try:
        check()
    except NotReadyError as error:
        return str(error)
    except STORE_ERRORS:
        return "does not answer"
    return UP


def _check_database() -> None:
    """Run a query, over a new connection if the old one died with its server."""
    try:
        _select_one()
    except Error:
        if connection.in_atomic_block:
            raise
        connection.close()
        _select_one()


def _select_one() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _check_migrations() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT app, name FROM django_migrations")
        missing = migrations_on_disk() - set(cursor.fetchall())
    if missing:
        raise NotReadyError(f"{len(missing)} not applied: run migrate")


@remembered
def migrations_on_disk() -> frozenset[tuple[str, str]]:
    """Return every migration that this code needs. It cannot change while the process runs."""
    return frozenset(MigrationLoader(None).graph.nodes)


def _check_cache() -> None:
    cache.get("readyz")


def _check_queue() -> None:
    if not clusters_alive():
        raise NotReadyError("no worker is running")


CHECKS: Final[dict[str, Callable[[], None]]] = {
    "database": _check_database,
    "migrations": _check_migrations,
    "cache": _check_cache,
    "queue": _check_queue,
}
