"""Two database roles: the owner changes the schema, the application's role may not change history.

The application connects with `options=-c role=…`, so PostgreSQL itself refuses an UPDATE of the ledger.
Rights are given anew after each migration, so a new table is never forgotten.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import errors, sql

APPEND_ONLY_TABLES = (
    "event",
    "event_identity",
    "event_void",
    "accounts_auditentry",
    "accounts_storedfile",
    "notices_outboxevent",
    "billing_planversion",
    "billing_price",
    "billing_subscriptionphase",
    "billing_invoiceline",
    "billing_invoicedocument",
    "billing_creditnote",
    "billing_documentfile",
    "billing_payment",
    "alerts_thresholdalert",
)
# Rows that change their state and never go away.
KEPT_TABLES = ("billing_invoice", "billing_subscription", "billing_numberseries", "collection_inboxevent")
# Made by SQL in the first migrations, and called by the application where it needs a right that it has not.
OWNER_FUNCTIONS = ("ledger_ensure_event_partition(date)",)
MIGRATION_LOCK = 7310468201


@contextmanager
def acting_as_owner(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Reconnect without the application's role, and go back to it at the end."""
    options = connection.settings_dict["OPTIONS"]
    role_option = options.pop("options", None)
    if role_option is None:
        yield
        return
    connection.close()
    try:
        yield
    finally:
        connection.close()
        options["options"] = role_option


@contextmanager
def one_migration_at_a_time(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Machines that start together migrate in turn."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])


def ensure_role(connection: BaseDatabaseWrapper) -> None:
    """Make the application's role where it is missing, and let the owner's login take it on."""
    role = sql.Identifier(settings.DATABASE_ROLE)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [settings.DATABASE_ROLE])
        if cursor.fetchone() is None:
            _create_role(connection, role)
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        if not cursor.fetchone()[0]:
            cursor.execute(sql.SQL("GRANT {} TO current_user").format(role))


def _create_role(connection: BaseDatabaseWrapper, role: sql.Identifier) -> None:
    """Roles belong to the whole server: another database's migration may make the same one at the same moment."""
    try:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute(sql.SQL("CREATE ROLE {} NOLOGIN NOINHERIT").format(role))
    except DatabaseError as error:
        if isinstance(error.__cause__, errors.DuplicateObject | errors.UniqueViolation):
            return
        if isinstance(error.__cause__, errors.InsufficientPrivilege):
            raise ImproperlyConfigured(
                f"The database user may not create roles: run CREATE ROLE {settings.DATABASE_ROLE} NOLOGIN; "
                f"GRANT {settings.DATABASE_ROLE} TO your user; as an administrator, then migrate again."
            ) from error
        raise


def grant_rights(connection: BaseDatabaseWrapper) -> None:
    """Grant reading and writing of everything ordinary, and reading and adding of history.

    Partitions are reached through their parent.
    """
    role = sql.Identifier(settings.DATABASE_ROLE)
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE n.nspname = 'public' AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY 1"
        )
        tables = [name for (name,) in cursor.fetchall()]
        ordinary = sql.SQL(", ").join(sql.Identifier(name) for name in tables if name not in APPEND_ONLY_TABLES)
        history = sql.SQL(", ").join(sql.Identifier(name) for name in tables if name in APPEND_ONLY_TABLES)
        cursor.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(role))
        cursor.execute(sql.SQL("GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {}").format(role))
        cursor.execute(sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON {} TO {}").format(ordinary, role))
        cursor.execute(sql.SQL("REVOKE ALL ON {} FROM {}").format(history, role))
        cursor.execute(sql.SQL("GRANT SELECT, INSERT ON {} TO {}").format(history, role))
        kept = sql.SQL(", ").join(sql.Identifier(name) for name in tables if name in KEPT_TABLES)
        cursor.execute(sql.SQL("REVOKE DELETE, TRUNCATE ON {} FROM {}").format(kept, role))
        for function in OWNER_FUNCTIONS:
            cursor.execute(sql.SQL("REVOKE ALL ON FUNCTION {} FROM PUBLIC").format(sql.SQL(function)))
            cursor.execute(sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(sql.SQL(function), role))
