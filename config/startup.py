"""What each process does before Django serves or runs anything."""

from pathlib import Path

from django.conf import settings

from config.workbench.embedded_postgres import EmbeddedPostgres


def prepare(*, needs_database: bool) -> None:
    """Start the embedded PostgreSQL if no other is named; a running one is found in milliseconds."""
    if not settings.IS_PRODUCTION:  # files are served from where they lie, and WhiteNoise warns of a missing directory
        Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)
    if settings.IS_DATABASE_EMBEDDED and needs_database:
        server = EmbeddedPostgres(data_dir=settings.DATA_DIR / "postgres")
        server.ensure_running()
        server.ensure_database("countinghouse")
