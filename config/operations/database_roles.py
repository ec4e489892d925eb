"""Two database roles: the owner changes the schema, the application's role may not change history.

The application logs in as a role that owns nothing and is a member of no role, so PostgreSQL itself refuses an UPDATE
of the ledger, and there is no other role to switch to. Rights are granted again after each migration, so a new table is
never forgotten.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from psycopg import errors, sql

APPEND_ONLY_TABLES = (
    "event",
    "event_identity",
    "event_void",
    "event_month",
    "sealed_ledger",
    "sealed_rollup",
    "sealed_usage",
    "accounts_auditentry",
    "accounts_storedfile",
    "notices_outboxevent",
    "billing_planversion",
    "billing_price",
    "billing_subscriptionphase",
    "billing_invoiceline",
    "billing_invoicetax",
    "billing_invoicedocument",
    "billing_creditnote",
    "billing_documentfile",
    "billing_paymentallocation",
    "billing_paymentrefund",
    "billing_creditsetoff",
    "desk_writeoff",
    "ledger_journalentry",
    "ledger_posting",
    "ledger_closedmonth",
    "billing_taxidcheck",
    "rendering_logo",
    "alerts_thresholdalert",
    "proofs_proofkey",
    "proofs_dayroot",
    "proofs_leafblock",
)
# Rows that change their state and are never deleted.
KEPT_TABLES = (
    "billing_invoice",
    "billing_subscription",
    "billing_numberseries",
    "collection_inboxevent",
    "collection_paymentfinding",
    "billing_billingexception",
    "billing_paymentdispute",
    "desk_approval",
    "desk_linequestion",
    "banking_bankentry",
    "banking_bankstatement",
    "dunning_dunningcase",
    "dunning_dunningstep",
    "dunning_dunningpause",
    "billing_singleitem",
    "accounts_discrepancy",
)
# Rows of which the application changes these columns alone: what a sum is of, and whose, never changes.
SUMS: Final[Mapping[str, tuple[str, ...]]] = {
    "usage_hour": ("quantity", "events"),
    "usage_day": ("quantity", "events"),
    "limit_counter": ("used", "held", "next_expiry_at", "is_ready"),
    "limit_bucket": ("tokens_micro", "updated_at"),
    "billing_numberseries": ("last_number",),
    "billing_payment": ("allocated_minor", "refunded_minor"),
}
# Of these, the ones whose rows a rebuild or a clean-up removes.
REMOVABLE_SUMS: Final = ("usage_hour", "usage_day", "limit_counter")
# Functions of the first migrations, which the application calls if it needs a right that it lacks.
OWNER_FUNCTIONS = (
    "ledger_ensure_event_partition(date)",
    "ledger_delete_event_partition(date, timestamptz)",
    "audit_forget_person(bigint)",
    "ledger_forget_person(bigint)",
)
MIGRATION_LOCK = 7310468201
LOGIN_SECONDS_MAX: Final = 10
# What a connection is named by, apart from its database: that one is the connection's own, also in a test.
_OF_A_LOGIN: Final = ("USER", "PASSWORD", "HOST", "PORT")
_UNSAFE: Final = """
SELECT rolsuper, rolbypassrls, rolcreaterole,
    EXISTS (SELECT FROM pg_auth_members WHERE member = r.oid),
    EXISTS (SELECT FROM pg_class WHERE relowner = r.oid)
FROM pg_roles AS r WHERE rolname = %s
"""
_UNSAFE_WORDS: Final = (
    "is a superuser",
    "bypasses row-level security",
    "may create roles",
    "is a member of another role",
    "owns tables",
)


@contextmanager
def acting_as_owner(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Reconnect with the owner's login, and switch back to the application's at the end.

    Raises `ImproperlyConfigured` in a process that was not given the owner's.
    """
    if settings.DATABASE_OWNER is None:
        raise ImproperlyConfigured(
            f"This needs the owner of the tables, and {connection.settings_dict['USER']} is the application's role: set"
            " DATABASE_OWNER_URL for this command."
        )
    with logged_in_as(connection, settings.DATABASE_OWNER):
        yield


@contextmanager
def logged_in_as(connection: BaseDatabaseWrapper, login: Mapping[str, Any]) -> Iterator[None]:
    """Open the connection with another login to the same database."""
    mine = connection.settings_dict
    before = {name: mine[name] for name in (*_OF_A_LOGIN, "OPTIONS")}
    if all(mine[name] == login[name] for name in _OF_A_LOGIN):
        yield
        return
    connection.close()
    mine.update({name: login[name] for name in _OF_A_LOGIN})
    mine["OPTIONS"] = {**before["OPTIONS"], **login.get("OPTIONS", {})}
    try:
        yield
    finally:
        connection.close()
        mine.update(before)


@contextmanager
def one_migration_at_a_time(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Hold a lock, so that machines that start together migrate in turn."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = 0; SET statement_timeout = 0")  # the machine whose turn it is may take long
        cursor.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])


def ensure_role(connection: BaseDatabaseWrapper) -> None:
    """Create the application's role if it is missing, and check that it can log in and do no more than it should.

    Raises `ImproperlyConfigured` with a sentence that says what an administrator must do.
    """
    login = settings.DATABASE_LOGIN
    role = str(login["USER"])
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", [role])
        found = cursor.fetchone()
        if found is None:
            _create_role(connection, login)
        elif not found[0] or not _can_log_in(connection, login):
            _alter_role(connection, login)
        cursor.execute(_UNSAFE, [role])
        wrong = [word for word, is_so in zip(_UNSAFE_WORDS, cursor.fetchone(), strict=True) if is_so]
    if wrong:
        raise ImproperlyConfigured(
            f"The application may not log in as {role}, which {' and '.join(wrong)}: name another role in"
            " DATABASE_ROLE, or remove that from it."
        )
    if not _can_log_in(connection, login):
        raise ImproperlyConfigured(
            f"The application cannot log in to the database as {role}: see pg_hba.conf, or set DATABASE_URL to a login"
            " that works and DATABASE_OWNER_URL to the owner's."
        )


def _create_role(connection: BaseDatabaseWrapper, login: Mapping[str, Any]) -> None:
    """Create the role. Another database's migration may create the same one at once: roles belong to the server."""
    try:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute(_with_password(connection, "CREATE ROLE {} NOINHERIT LOGIN PASSWORD {}", login))
    except DatabaseError as error:
        if isinstance(error.__cause__, errors.DuplicateObject | errors.UniqueViolation):
            return
        if isinstance(error.__cause__, errors.InsufficientPrivilege):
            raise ImproperlyConfigured(_by_hand(login, "CREATE ROLE {} LOGIN PASSWORD '…';")) from error
        raise


def _alter_role(connection: BaseDatabaseWrapper, login: Mapping[str, Any]) -> None:
    try:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute(_with_password(connection, "ALTER ROLE {} LOGIN PASSWORD {}", login))
    except DatabaseError as error:
        if isinstance(error.__cause__, errors.InsufficientPrivilege):
            raise ImproperlyConfigured(_by_hand(login, "ALTER ROLE {} LOGIN PASSWORD '…';")) from error
        raise


def _by_hand(login: Mapping[str, Any], statement: str) -> str:
    return (
        f"The database user may not create a role that logs in: run {statement.format(login['USER'])} as an"
        " administrator, put its user and password into DATABASE_URL and the owner's into DATABASE_OWNER_URL, then"
        " migrate again."
    )


def _with_password(connection: BaseDatabaseWrapper, statement: str, login: Mapping[str, Any]) -> sql.Composed:
    """Return the statement with a verifier of the password, so that no log of statements has the password itself."""
    role, password = str(login["USER"]), str(login["PASSWORD"])
    verifier = connection.connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
    return sql.SQL(statement).format(sql.Identifier(role), sql.Literal(verifier.decode() if password else None))


def _can_log_in(connection: BaseDatabaseWrapper, login: Mapping[str, Any]) -> bool:
    """Return whether the application's login works on the migrated database."""
    options = login.get("OPTIONS", {})
    try:
        psycopg.connect(
            host=options.get("host") or login["HOST"] or None,
            port=options.get("port") or login["PORT"] or None,
            user=login["USER"],
            password=login["PASSWORD"] or None,
            dbname=connection.settings_dict["NAME"],
            connect_timeout=LOGIN_SECONDS_MAX,
        ).close()
    except psycopg.OperationalError:
        return False
    return True


def grant_rights(connection: BaseDatabaseWrapper) -> None:
    """Grant reading and writing of ordinary tables, and reading and adding of history.

    Partitions are reached through their parent.
    """
    role = sql.Identifier(str(settings.DATABASE_LOGIN["USER"]))
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE n.nspname = 'public' AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY 1"
        )
        tables = [name for (name,) in cursor.fetchall()]
        special = {*APPEND_ONLY_TABLES, *SUMS}
        ordinary = sql.SQL(", ").join(sql.Identifier(name) for name in tables if name not in special)
        history = sql.SQL(", ").join(sql.Identifier(name) for name in tables if name in APPEND_ONLY_TABLES)
        cursor.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(role))
        cursor.execute(sql.SQL("GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {}").format(role))
        cursor.execute(sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON {} TO {}").format(ordinary, role))
        cursor.execute(sql.SQL("REVOKE ALL ON {} FROM {}").format(history, role))
        cursor.execute(sql.SQL("GRANT SELECT, INSERT ON {} TO {}").format(history, role))
        kept = sql.SQL(", ").join(sql.Identifier(name) for name in tables if name in KEPT_TABLES)
        cursor.execute(sql.SQL("REVOKE DELETE, TRUNCATE ON {} FROM {}").format(kept, role))
        for table in SUMS.keys() & set(tables):
            _grant_on_sums(cursor, table, role)
        for function in OWNER_FUNCTIONS:
            cursor.execute(sql.SQL("REVOKE ALL ON FUNCTION {} FROM PUBLIC").format(sql.SQL(function)))
            cursor.execute(sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(sql.SQL(function), role))


def _grant_on_sums(cursor: CursorWrapper, table: str, role: sql.Identifier) -> None:
    """Grant reading and adding, changing of some columns, and removing if our code does it."""
    names = {"table": sql.Identifier(table), "role": role}
    columns = sql.SQL(", ").join(sql.Identifier(column) for column in SUMS[table])
    cursor.execute(sql.SQL("REVOKE ALL ON {table} FROM {role}").format(**names))
    cursor.execute(
        sql.SQL("GRANT SELECT, INSERT, UPDATE ({columns}) ON {table} TO {role}").format(columns=columns, **names)
    )
    if table in REMOVABLE_SUMS:
        cursor.execute(sql.SQL("GRANT DELETE ON {table} TO {role}").format(**names))
