"""Books of the code before issue 9 migrate, and today's verification names each fault in them and nothing else."""

import gzip
import hashlib
import os
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from psycopg import sql
from pytest_django.plugin import DjangoDbBlocker

from accounts.domain.actor import Actor
from accounts.domain.reach import WayIn, way_in
from accounts.models import Tenant
from billing.ledger.domain.accounts import EntryKind
from billing.ledger.models import JournalEntry
from billing.ledger.services.closing import close_months
from billing.models import CreditNote, Invoice
from billing.verification.services.running import run_verification
from config.operations.postgres_programs import program_for
from tests.databases import use_database
from tests.kept_cluster import KeptCluster
from tests.postgres_plugin import RUN_DIR_VARIABLE, database_name

pytestmark = pytest.mark.takes_long("it lives through a year with every change")

BOOKS: Final = Path(__file__).with_name("old_books") / "books.sql.gz"
AFTERWARDS: Final = datetime(2026, 12, 20, tzinfo=UTC)
INVOICES: Final = 222


@contextmanager
def old_books() -> Iterator[None]:
    """Restore the dump into a database of its own, migrate it, connect Django to it, and drop it at the end.

    Migrating takes most of the time and depends on the sources of the schema alone, so what it came to is kept.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "alone")
    name = database_name(Path(os.environ[RUN_DIR_VARIABLE]), f"{worker}_old_books")
    before = connection.settings_dict["NAME"]
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, connect_timeout=30) as server:
        server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        kept, migrated_as = KeptCluster(postgres_major=major_of(server)), f"{digest_of(BOOKS)}.sql.gz"
        migrated = kept.kept_beside(migrated_as)
        restore(server, name, migrated or BOOKS.read_bytes())
        connection.close()
        use_database(name)
        try:
            if migrated is None:
                call_command("migrate", verbosity=0)
                kept.keep_beside(migrated_as, dump(server, name))
            yield
        finally:
            connection.close()
            use_database(before)
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def restore(server: psycopg.Connection, name: str, books: bytes) -> None:
    to = psycopg.conninfo.make_conninfo(os.environ["DATABASE_URL"], dbname=name)
    options = ["--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--single-transaction", "--output=/dev/null"]
    psql = program_for("psql", major=major_of(server))
    subprocess.run([psql, *options, to], input=gzip.decompress(books), check=True, timeout=120)


def dump(server: psycopg.Connection, name: str) -> bytes:
    of = psycopg.conninfo.make_conninfo(os.environ["DATABASE_URL"], dbname=name)
    done = subprocess.run(
        [program_for("pg_dump", major=major_of(server)), of], capture_output=True, check=True, timeout=120
    )
    return gzip.compress(done.stdout)


def major_of(server: psycopg.Connection) -> int:
    return server.info.server_version // 10_000


def digest_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


@pytest.fixture(scope="module")
def found(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Mapping[str, list[str]]:
    """Return by tenant what verification finds in the books after their migration."""
    with django_db_blocker.unblock(), way_in(WayIn.JOBS), old_books():
        lower_october()
        verification = run_verification(started_by="test", as_of=AFTERWARDS)
        assert verification.verified == INVOICES
        documents = {**slugs(Invoice), **slugs(CreditNote)}
        differences: dict[str, list[str]] = defaultdict(list)
        for slug in Tenant.objects.values_list("slug", flat=True):
            differences[slug] = []
        for difference in verification.differences:
            differences[documents.get(difference.subject, difference.subject)].append(
                str(difference).replace("\N{NO-BREAK SPACE}", " ")
            )
    return differences


def lower_october() -> None:
    """Close October, then say of it what the report of then said after the credit note of November: less.

    That code stored no report, so its fault is planted in the ledger that the migration has filled.
    """
    october = date(2026, 10, 1)
    close_months(month=october, today=AFTERWARDS.date(), actor=Actor.system("test"), as_of=AFTERWARDS)
    entry = JournalEntry.objects.get(tenant__slug="row-12-credited-in-november", kind=EntryKind.CREDIT_NOTE)
    assert entry.posted_on == date(2026, 11, 10)
    to = psycopg.conninfo.make_conninfo(os.environ["DATABASE_URL"], dbname=connection.settings_dict["NAME"])
    with psycopg.connect(to, connect_timeout=30) as owner:
        owner.execute("SET session_replication_role = replica")
        owner.execute("UPDATE ledger_journalentry SET posted_on = '2026-10-31' WHERE id = %s", [entry.pk])
        owner.execute("UPDATE ledger_posting SET posted_on = '2026-10-31' WHERE entry_id = %s", [entry.pk])


def slugs(documents: type[Invoice] | type[CreditNote]) -> dict[str, str]:
    return dict(documents.objects.exclude(number=None).values_list("number", "tenant__slug"))


JANUARY, APRIL = "2026-01-01 to 2026-01-31", "2026-04-01 to 2026-04-30"
# What one of the differences says of the tenant that a fault befell.
FAULTS: Final[Mapping[str, str]] = {
    "row-1-void-of-a-correction": f"calls of {JANUARY}: 50.00 EUR in force, and 0.00 EUR is right.",
    "row-2-downgrade-credit-on-a-void-invoice": f"fees of {APRIL}: 1,000.00 EUR in force, and 33.33 EUR is right.",
    "row-3-plan-trip": f"calls of {JANUARY}: 0.00 EUR in force, and 25.60 EUR is right.",
    "row-4-tax-id-then-void": "line_tax: Line 2 bears 0 %, and what it corrects on INV-2026-000019 bore 19 %.",
    "row-5-late-usage-at-a-new-rate": "line_tax: Line 2 bears 25 %, and what it corrects on INV-2026-000045 bore 21 %.",
    "row-6-credited-and-never-billed-again": f"calls of {JANUARY}: 121.00 EUR were supplied and taken back",
    "row-7-zeros-of-germany": "its tax id is no number of DE: DE000000000.",
    "row-7-zeros-of-france": "its tax id is no number of FR: FR00000000000.",
    "row-7-an-id-of-no-country": "its tax id is no number of DE: NONE1234.",
    "row-8-upgrade-then-cancel": f"fees of {APRIL}: 193.34 EUR in force, and 29.00 EUR is right.",
    "row-9-free-then-cancelled": f"fees of {APRIL}: 33.33 EUR in force, and 1,000.00 EUR is right.",
    "row-10-your-company": "particulars: It does not say who sells, with name and address.",
    "row-11-dollars": "own_currency: Its tax is said in USD and not in EUR.",
    "row-12-credited-in-november": "ledger: It is of 2026-11-10 and posted on 2026-10-31.",
    "month 2026-10": "ledger: It was closed with other sums.",
    "row-13-beirut": "lines of usage lie on no period that the calendar of Asia/Beirut has.",
    "row-14-no-rate": "untaxed: It says that a supply from BE to AT is not subject to tax, which is not true.",
    "row-15-uncollectible-then-downgrade": f"fees of {JANUARY}: 40.29 EUR in force, and 123.32 EUR is right.",
    "row-16-swiss-seller": "tax_abroad: A seller in CH charges tax to a business in DE that declares it itself.",
}


@pytest.mark.parametrize("slug", FAULTS)
def test_each_fault_is_named(found: Mapping[str, list[str]], slug: str) -> None:
    assert any(FAULTS[slug] in difference for difference in found[slug]), found[slug]


def test_packages_of_a_trip_are_counted_once(found: Mapping[str, list[str]]) -> None:
    said = f"exports of {JANUARY}: 16.00 EUR in force, and 8.00 EUR is right."
    assert any(said in difference for difference in found["row-3-plan-trip"])


def test_nothing_is_found_in_the_books_of_those_whom_no_fault_befell(found: Mapping[str, list[str]]) -> None:
    honest = {slug: differences for slug, differences in found.items() if slug.startswith("honest-")}
    assert len(honest) == 6
    assert {slug: differences for slug, differences in honest.items() if differences} == {}


def test_whatever_is_found_is_a_tenants(found: Mapping[str, list[str]]) -> None:
    assert {slug for slug in found if not slug.startswith(("row-", "honest-"))} == {"month 2026-10"}
