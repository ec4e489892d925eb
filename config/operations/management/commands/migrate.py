"""Django's `migrate`, run as the owner of the schema. Afterwards the application's role gets its rights."""

from typing import Any

from django.core.management.commands.migrate import Command as DjangoMigrateCommand
from django.db import connections
from django.utils import timezone

from accounts.domain.reach import WayIn, way_in
from billing.services.posting_documents import post_documents
from config.operations.database_roles import acting_as_owner, ensure_role, grant_rights, one_migration_at_a_time
from config.operations.history import refuse_unknown_history
from config.operations.row_security import protect_rows


class Command(DjangoMigrateCommand):
    """Update the schema and the rights on it."""

    requires_system_checks = ()  # they connect, and the role to connect as is created here: `handle` runs them

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate, then grant rights. Machines that start together take turns."""
        connection = connections[options["database"]]
        with way_in(WayIn.JOBS), acting_as_owner(connection), one_migration_at_a_time(connection):
            refuse_unknown_history(connection)
            ensure_role(connection)
            if not options.get("skip_checks"):  # `call_command` sets it
                self.check(databases=[options["database"]])
            super().handle(*args, **options)
            if not options["plan"] and not options["check_unapplied"] and not options["app_label"]:
                grant_rights(connection)
                protect_rows(connection)
                posted = post_documents(as_of=timezone.now())
                if posted:
                    self.stdout.write(f"{posted:,} documents and payments posted to the ledger of accounts")
