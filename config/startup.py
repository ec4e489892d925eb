"""What each process does before Django serves or runs anything."""

from django.conf import settings

from config.workbench.embedded_postgres import EmbeddedPostgres


def prepare(*, needs_database: bool) -> None:
    """Start the embedded PostgreSQL where no other is named; a running one is found in milliseconds."""
    if settings.IS_DATABASE_EMBEDDED and needs_database:
        server = EmbeddedPostgres(data_dir=settings.DATA_DIR / "postgres")
        server.ensure_running()
        server.ensure_database("countinghouse")
