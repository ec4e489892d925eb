"""Check that a database was created by migrations that the code still has.

Nothing is released, so initial migrations are written again when tables change their names
(docs/decisions/0012-config-composes.md).
"""

from typing import Final

from django.apps import apps
from django.core.management.base import CommandError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

PACKAGES: Final = ("accounts", "metering", "billing", "portal", "config")
FORMER_LABELS: Final = frozenset({"config"})  # of apps that have been renamed


def refuse_unknown_history(connection: BaseDatabaseWrapper) -> None:
    """Raise `CommandError` with one sentence if the database was created by other migrations."""
    unknown = unknown_migrations(connection)
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        raise CommandError(
            f"This database was created by migrations that the code no longer has ({unknown[0]}{more}) and that"
            " were never released: start over with `make reset`, or with an empty database of your own."
        )


def unknown_migrations(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the applied migrations of our own apps that are not in the code, sorted."""
    labels = {app.label for app in apps.get_app_configs() if app.name.split(".")[0] in PACKAGES} | FORMER_LABELS
    known = MigrationLoader(None).disk_migrations
    applied = MigrationRecorder(connection).applied_migrations()
    return sorted(f"{label}.{name}" for label, name in applied if label in labels and (label, name) not in known)
