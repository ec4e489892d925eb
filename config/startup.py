"""The preparation of each process before Django serves or runs anything."""

from pathlib import Path

from django.conf import settings
from django.db import connections

from config.workbench.embedded_postgres import EmbeddedPostgres


def prepare(*, needs_database: bool) -> None:
    """Start the embedded PostgreSQL if no other is configured. A running one is found in milliseconds."""
    if not settings.IS_PRODUCTION:  # files are served from their sources, and WhiteNoise warns of a missing directory
        Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)
    if settings.IS_DATABASE_EMBEDDED and needs_database:
        server = EmbeddedPostgres(data_dir=settings.DATA_DIR / "postgres")
        server.ensure_running()
        server.ensure_database("countinghouse")


def bound_waits_for_database() -> None:
    """Limit how long a request of this web server waits for a lock or a statement, by the settings.

    A request that waits longer is refused with 503, and may be sent again. Jobs and commands keep the longer limits of
    `settings.DATABASES`.
    """
    bounds = {
        "lock_timeout": settings.WEB_LOCK_SECONDS,
        "statement_timeout": settings.WEB_STATEMENT_SECONDS,
        "idle_in_transaction_session_timeout": settings.WEB_STATEMENT_SECONDS,
    }
    options = connections.settings["default"]["OPTIONS"]
    given = [options["options"]] if options.get("options") else []
    options["options"] = " ".join([*given, *(f"-c {name}={seconds}s" for name, seconds in bounds.items())])
