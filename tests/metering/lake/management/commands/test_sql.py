"""`manage.py sql`: a question over all tenants, as a table, CSV or Parquet."""

from io import StringIO
from pathlib import Path

import duckdb
import pytest
from django.core.management import CommandError, call_command

from tests.metering.lake.lake_world import NOON, request_event
from tests.metering.ledger_world import ledger_of, make_tenant, send

pytestmark = pytest.mark.django_db
QUERY = "SELECT tenant, is_live, count(*) AS events FROM events GROUP BY ALL ORDER BY ALL"


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("sql", *arguments, stdout=out)
    return out.getvalue()


def test_an_operator_reads_all_tenants(tmp_path: Path) -> None:
    for slug in ("acme", "rival"):
        send(ledger_of(make_tenant(slug)), [request_event("one", NOON)], as_of=NOON)
    assert "acme" in run(QUERY)
    assert run(QUERY, "--format", "csv") == "tenant,is_live,events\nacme,true,1\nrival,true,1\n"
    assert run(QUERY, "--format", "csv", "--start", "2026-03-11") == "tenant,is_live,events\n"
    run(QUERY, "--format", "parquet", "--output", str(tmp_path / "all.parquet"))
    assert duckdb.read_parquet(str(tmp_path / "all.parquet")).fetchall() == [("acme", True, 1), ("rival", True, 1)]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["DROP TABLE events"], "Only SELECT"),
        (["SELECT 1", "--format", "parquet"], "add --output"),
        (["SELECT 1", "--output", "x"], "add --format"),
        (["SELECT 1", "--start", "yesterday"], "no day such as"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(arguments: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        run(*arguments)
