"""Creates a test process's database from a migrated template, and restores it after a test that commits."""

import os
from pathlib import Path

import psycopg
from django.conf import settings
from django.db import connection
from psycopg import sql

from config.operations.database_roles import logged_in_as
from config.workbench.embedded_postgres import EmbeddedPostgres
from config.workbench.embedded_postgres.binaries import find_binaries
from tests.kept_cluster import KeptCluster
from tests.postgres_plugin import DATABASE_NAME, cluster_in, database_name, database_url

TEMPLATE_OF_OWN_CLUSTER = "countinghouse_template"
# No foreign key leads to these, and load tests fill them: emptied by TRUNCATE, which leaves no dead rows.
LEDGER_TABLES = ("event", "event_identity", "event_void", "usage_hour", "usage_day", "limit_counter", "limit_bucket")
TABLES = """
SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
WHERE n.nspname = 'public' AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY relname
"""
# A company in Belgium that is known to the one-stop shop. Its customers are in the United States
# (`tests.metering.ledger_world`), a country in which it charges no tax.
SELLER = """
UPDATE billing_issuer SET legal_name = 'Sample Seller BV', address_line1 = 'Meir 24', postal_code = '2000',
    city = 'Antwerp', country = 'BE', tax_id = 'BE0417497106', tax_rules_confirmed_country = 'BE',
    tax_rules_confirmed_by = 'robin@example.org', tax_rules_confirmed_at = '2026-01-01';
INSERT INTO billing_taxregistration (country, scheme, tax_id) VALUES ('BE', 'oss_union', '')
"""
# Past foreign keys and the triggers that keep history; only for the clean-up, and only for the owner.
WITHOUT_TRIGGERS = "SET LOCAL session_replication_role = replica; SET LOCAL lock_timeout = '60s'"


def provide_template(run_dir: Path) -> str:
    """Return the name of the run's template, starting the cluster and migrating if no process did before."""
    cluster = cluster_in(run_dir)
    is_our_own = os.environ["DATABASE_URL"] == cluster.database_url(DATABASE_NAME)
    name = TEMPLATE_OF_OWN_CLUSTER if is_our_own else database_name(run_dir, "template")
    marker = run_dir / "template.built"
    if not marker.exists():
        if is_our_own:
            start_with_template(cluster, name)
        else:
            build_template(name)
        marker.touch()
    return name


def start_with_template(cluster: EmbeddedPostgres, name: str) -> None:
    """Start the cluster that an earlier run kept, or a new one, which is kept for the next run."""
    kept = KeptCluster(postgres_major=find_binaries(data_dir=cluster.data_dir).major)
    if not kept.unpack(cluster.data_dir, cluster.account):
        cluster.ensure_running()
        build_template(name)
        cluster.stop()
        kept.keep(cluster.data_dir)
    cluster.ensure_running()


def build_template(name: str) -> None:
    """Migrate a new database of this name. No connection to it stays open."""
    original = connection.settings_dict["NAME"]
    connection.settings_dict["TEST"]["NAME"] = name
    with logged_in_as(connection, settings.DATABASE_OWNER):
        connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        connection.close()  # a template may not be in use
    use_database(original)


def use_database(name: str) -> None:
    """Set this database as the one that Django connects to."""
    settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = name


def owner_name() -> str:
    """Return the name of the role that owns the tables."""
    assert settings.DATABASE_OWNER is not None, "a test run knows both logins"
    return str(settings.DATABASE_OWNER["USER"])


def owner_url() -> str:
    """Return the URL by which the owner of the tables logs in to this process's database."""
    return database_url({**settings.DATABASE_OWNER, "NAME": connection.settings_dict["NAME"]})


def clone_database(template: str, name: str) -> None:
    """Create a database that is like the template."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, connect_timeout=30) as server:
        server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))


def add_sample_seller() -> None:
    """Enter the seller in this process's database, without whom no invoice gets a number."""
    with psycopg.connect(owner_url(), autocommit=True, connect_timeout=30) as server:
        server.execute(SELLER)


class Cleaner:
    """Remove what a test committed: empty the tables that migrations leave empty, and restore the others' rows.

    Much cheaper than Django's flush, which truncates every table and inserts the rows of migrations one by one.
    """

    def __init__(self) -> None:
        """Remember the rows that the template has."""
        server = self.server = psycopg.connect(owner_url(), autocommit=True, connect_timeout=30)
        tables = [name for (name,) in server.execute(TABLES)]
        self.first_rows = {table: rows for table in tables if (rows := copied_out(server, table))}
        self.was_written = " UNION ALL ".join(
            f"SELECT '{table}' WHERE EXISTS (SELECT FROM \"{table}\")"
            for table in tables
            if table not in self.first_rows
        )
        self.digests = " UNION ALL ".join(
            f"SELECT '{table}', md5(string_agg(t::text, '' ORDER BY t::text)) FROM \"{table}\" t"
            for table in self.first_rows
        )
        self.first_digests = server.execute(self.digests).fetchall()

    def clean(self) -> None:
        """Restore the database to the template's rows, whatever was committed to it."""
        server = self.server
        with server.transaction():
            server.execute(WITHOUT_TRIGGERS)
            written = [table for (table,) in server.execute(self.was_written)]
            changed = [table for table, _ in set(self.first_digests) - set(server.execute(self.digests))]
            empty = [
                f'TRUNCATE "{table}"' if table in LEDGER_TABLES else f'DELETE FROM "{table}"'
                for table in [*written, *changed]
            ]
            server.execute("; ".join(empty))
            for table in changed:
                with server.cursor().copy(f'COPY "{table}" FROM STDIN') as copy:
                    copy.write(self.first_rows[table])


def copied_out(server: psycopg.Connection, table: str) -> bytes:
    """Return the rows of a table in the form in which COPY takes them back."""
    with server.cursor().copy(f'COPY (SELECT * FROM "{table}") TO STDOUT') as copy:
        return b"".join(bytes(part) for part in copy)
