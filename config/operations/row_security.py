"""Row-level security: the second wall between tenants, updated after each migration (decision 0017).

Each table with a tenant, or with a parent that has one, shows the rows of the tenant that the statement reaches, and
all rows to the ways in that its policy names (`accounts.domain.reach`). Without either it shows nothing. The policies
bind the owner of the tables, too. A new table is found in the catalogue, so it cannot be forgotten.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

from accounts.domain.reach import WayIn

# Tables that belong to tenants and have no policy, each with its reason.
UNPROTECTED: Final[Mapping[str, str]] = {}

# From the catalogue: each table, its column that names a tenant or its parent's key, and its primary key.
_TABLES: Final = """
SELECT c.relname, c.relispartition, c.relrowsecurity AND c.relforcerowsecurity,
    EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped)
FROM pg_class AS c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 1
"""
_PARENTS: Final = """
SELECT f.conrelid::regclass::text, a.attname, f.confrelid::regclass::text, b.attname
FROM pg_constraint AS f
JOIN pg_attribute AS a ON a.attrelid = f.conrelid AND a.attnum = f.conkey[1]
JOIN pg_attribute AS b ON b.attrelid = f.confrelid AND b.attnum = f.confkey[1]
WHERE f.contype = 'f' AND f.connamespace = 'public'::regnamespace AND f.conrelid <> f.confrelid AND a.attnotnull
    AND array_length(f.conkey, 1) = 1
ORDER BY 1, 2
"""
_POLICIES: Final = """
SELECT c.relname, p.polname, coalesce(obj_description(p.oid, 'pg_policy'), '')
FROM pg_policy AS p JOIN pg_class AS c ON c.oid = p.polrelid WHERE c.relnamespace = 'public'::regnamespace
"""

_WAY: Final = "current_setting('countinghouse.way', true)"
_TENANT: Final = "nullif(current_setting('countinghouse.tenant', true), '')::uuid"
_EVERYWHERE: Final = (WayIn.STAFF, WayIn.JOBS, WayIn.ERASURE)


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy of a table: the statements, the rows they see, and the rows they may write."""

    name: str
    command: str
    sees: str = ""
    leaves: str = ""

    @property
    def digest(self) -> str:
        """Return a digest that shows whether the policy in the database is this one."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]


def comes_by(*ways: WayIn) -> str:
    """Return the condition that the statement came by one of these ways in, read once per statement."""
    return f"(SELECT {_WAY} = ANY ('{{{','.join(way.value for way in ways)}}}'::text[]))"


def of_tenant(column: str, *ways: WayIn) -> str:
    """Return the condition that a row is the reached tenant's, or that one of these ways in is open."""
    return f"{comes_by(*_EVERYWHERE, *ways)} OR {column} = (SELECT {_TENANT})"


def _everything(condition: str) -> Policy:
    return Policy("reach", "ALL", sees=condition, leaves=condition)


def _also(way: WayIn, *commands: str, only: str = "") -> Iterator[Policy]:
    """Yield policies that allow a way in some more commands; `only` limits them to some rows."""
    condition = comes_by(way) + (f" AND {only}" if only else "")
    for command in commands:
        yield Policy(
            f"{way}_{command.lower()}",
            command,
            sees="" if command == "INSERT" else condition,
            leaves="" if command in {"SELECT", "DELETE"} else condition,
        )


def _asked_of_each_row(*ways: WayIn) -> str:
    """Return the same condition for the tables that ingest writes.

    There a sub-select costs more than it saves: a statement touches few rows, and the first condition holds.
    """
    return " OR ".join((*(f"{_WAY} = '{way.value}'" for way in ways), f"tenant_id = {_TENANT}"))


def _of_ledger(sees: str) -> tuple[Policy, ...]:
    """Return the policies of a table that ingest writes."""
    writes = _asked_of_each_row(WayIn.INGEST, WayIn.JOBS, WayIn.STAFF)
    return (
        Policy("see", "SELECT", sees=sees),
        Policy("add", "INSERT", leaves=writes),
        Policy("change", "UPDATE", sees=writes, leaves=writes),
        Policy("remove", "DELETE", sees=of_tenant("tenant_id")),
    )


def _seen_through(*conditions: str) -> str:
    return " OR ".join((comes_by(*_EVERYWHERE), *(f"EXISTS (SELECT FROM {condition})" for condition in conditions)))


# The policies of tables whose columns do not imply them.
SPECIAL: Final[Mapping[str, tuple[Policy, ...]]] = {
    "event": _of_ledger(of_tenant("tenant_id")),
    "event_identity": _of_ledger(_asked_of_each_row(WayIn.INGEST, WayIn.JOBS, WayIn.STAFF)),
    "usage_hour": _of_ledger(_asked_of_each_row(WayIn.JOBS, WayIn.INGEST, WayIn.STAFF)),
    "usage_day": _of_ledger(_asked_of_each_row(WayIn.JOBS, WayIn.INGEST, WayIn.STAFF)),
    "limit_counter": _of_ledger(_asked_of_each_row(WayIn.INGEST, WayIn.JOBS, WayIn.STAFF)),
    "limit_bucket": _of_ledger(_asked_of_each_row(WayIn.INGEST, WayIn.JOBS, WayIn.STAFF)),
    "metering_uncountedledger": _of_ledger(_asked_of_each_row(WayIn.INGEST, WayIn.JOBS, WayIn.STAFF)),
    "metering_reservation": _of_ledger(_asked_of_each_row(WayIn.INGEST, WayIn.JOBS, WayIn.STAFF)),
    # Rounds ask which plans changed, of all tenants that they count for.
    "metering_usageplanassignment": (_everything(of_tenant("tenant_id")), *_also(WayIn.INGEST, "SELECT")),
    "metering_budget": (_everything(of_tenant("tenant_id")), *_also(WayIn.INGEST, "SELECT")),
    # Signing in looks a person up, and creates tenants; it then has to reach what it found.
    "accounts_tenant": (_everything(of_tenant("id")), *_also(WayIn.SIGN_IN, "SELECT", "INSERT")),
    "accounts_membership": (_everything(of_tenant("tenant_id")), *_also(WayIn.SIGN_IN, "SELECT")),
    "accounts_invitation": (_everything(of_tenant("tenant_id")), *_also(WayIn.SIGN_IN, "SELECT")),
    "accounts_apikey": (_everything(of_tenant("tenant_id")), *_also(WayIn.SIGN_IN, "SELECT", "UPDATE")),
    # Requests note them before their tenant is reached, and those of several tenants together.
    "accounts_keyaddress": (
        _everything(of_tenant("tenant_id")),
        *_also(WayIn.SIGN_IN, "SELECT", "INSERT", "UPDATE", "DELETE"),
    ),
    "accounts_keyrefusal": (_everything(of_tenant("tenant_id")), *_also(WayIn.SIGN_IN, "SELECT", "INSERT", "UPDATE")),
    # A leaked service key belongs to no tenant.
    "accounts_keyleak": (
        _everything(of_tenant("tenant_id")),
        *_also(WayIn.SIGN_IN, "SELECT", "INSERT", only="tenant_id IS NULL"),
    ),
    "accounts_auditentry": (
        _everything(of_tenant("tenant_id")),
        *_also(WayIn.SIGN_IN, "SELECT", "INSERT", only="tenant_id IS NULL"),
    ),
    "accounts_idempotencyrecord": (
        _everything(of_tenant("tenant_id")),
        *_also(WayIn.SIGN_IN, "SELECT", "INSERT", "DELETE", only="tenant_id IS NULL"),
    ),
    # A file is reached through the row that names it, and is stored before that row.
    "billing_documentfile": (
        _everything(
            _seen_through(
                "billing_invoice AS i WHERE i.number = billing_documentfile.number",
                "billing_creditnote AS n WHERE n.number = billing_documentfile.number",
            )
        ),
    ),
    "accounts_storedfile": (
        Policy(
            "see",
            "SELECT",
            sees=_seen_through(
                "billing_documentfile AS d WHERE d.file_id = accounts_storedfile.sha256",
                "notices_outboundmail AS m WHERE m.attachment_id = accounts_storedfile.sha256",
            ),
        ),
        Policy("add", "INSERT", leaves=f"{comes_by(*_EVERYWHERE)} OR (SELECT {_TENANT}) IS NOT NULL"),
    ),
    # A provider's delivery belongs to no tenant yet.
    "collection_inboxevent": (
        _everything(comes_by(*_EVERYWHERE)),
        *_also(WayIn.PROVIDER, "SELECT", "INSERT", "UPDATE"),
    ),
}
# dj-stripe's copies are for staff and jobs, and for the code that updates them; no customer's page reads one.
COPIES: Final = "djstripe_"
COPIES_OF_NOBODY: Final = frozenset({"djstripe_account", "djstripe_apikey", "djstripe_webhookendpoint"})


def protect_rows(connection: BaseDatabaseWrapper) -> None:
    """Create the policies that are missing or have changed. If none has, no table is locked."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        wanted = {
            (table, policy.name): policy for table, policies in wanted_policies(cursor).items() for policy in policies
        }
        cursor.execute(_POLICIES)
        present = {(table, name): digest for table, name, digest in cursor.fetchall()}
        for table, name in present.keys() - wanted.keys():
            cursor.execute(sql.SQL("DROP POLICY {} ON {}").format(sql.Identifier(name), sql.Identifier(table)))
        for (table, name), policy in wanted.items():
            if present.get((table, name)) != policy.digest:
                cursor.execute(_statement(table, policy, replaces=(table, name) in present))
        protected = {table for table, _ in wanted}
        cursor.execute(_TABLES)
        for table, is_partition, is_forced, _ in cursor.fetchall():
            if not is_forced and (table in protected or is_partition):  # a partition is reached only through its parent
                cursor.execute(
                    sql.SQL(
                        "ALTER TABLE {0} ENABLE ROW LEVEL SECURITY; ALTER TABLE {0} FORCE ROW LEVEL SECURITY"
                    ).format(sql.Identifier(table))
                )


def wanted_policies(cursor: Any) -> dict[str, tuple[Policy, ...]]:
    """Return the policies of each table that belongs to a tenant, from the catalogue and from `SPECIAL`."""
    cursor.execute(_TABLES)
    found = [(table, has_tenant) for table, is_partition, _, has_tenant in cursor.fetchall() if not is_partition]
    tables = [table for table, _ in found]
    policies: dict[str, tuple[Policy, ...]] = {
        table: (_everything(of_tenant("tenant_id")),) for table, has_tenant in found if has_tenant
    }
    copies = (_everything(comes_by(*_EVERYWHERE, WayIn.PROVIDER)),)
    policies |= {table: copies for table in tables if table.startswith(COPIES) and table not in COPIES_OF_NOBODY}
    policies |= {table: special for table, special in SPECIAL.items() if table in tables}
    cursor.execute(_PARENTS)
    policies |= dict(_children(cursor.fetchall(), policies.keys()))
    return {table: own for table, own in policies.items() if table not in UNPROTECTED}


def _children(
    references: Iterable[tuple[str, str, str, str]], owned: Iterable[str]
) -> Iterator[tuple[str, tuple[Policy, ...]]]:
    """Yield the policy of each table without a tenant of its own whose rows each have a parent that is owned."""
    known, rest = set(owned), list(references)
    while True:
        found = {
            child: (column, parent, key)
            for child, column, parent, key in rest
            if parent in known and child not in known
        }
        if not found:
            return
        for child, (column, parent, key) in found.items():
            yield child, (_everything(_seen_through(f"{parent} AS parent WHERE parent.{key} = {child}.{column}")),)
        known |= found.keys()


def _statement(table: str, policy: Policy, *, replaces: bool) -> sql.Composed:
    names = {"name": sql.Identifier(policy.name), "table": sql.Identifier(table)}
    parts = [sql.SQL("DROP POLICY {name} ON {table};").format(**names)] if replaces else []
    parts.append(
        sql.SQL("CREATE POLICY {name} ON {table} FOR {command}").format(**names, command=sql.SQL(policy.command))
    )
    if policy.sees:
        parts.append(sql.SQL("USING ({})").format(sql.SQL(policy.sees)))
    if policy.leaves:
        parts.append(sql.SQL("WITH CHECK ({})").format(sql.SQL(policy.leaves)))
    parts.append(
        sql.SQL("; COMMENT ON POLICY {name} ON {table} IS {digest}").format(**names, digest=sql.Literal(policy.digest))
    )
    return sql.SQL(" ").join(parts)
