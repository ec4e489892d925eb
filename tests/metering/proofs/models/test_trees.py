"""What was signed is history: the application may not change it, and the tables' owner meets a trigger."""

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction

from tests.metering.proofs.proof_world import noon, proven_tenant, sign_until, use

COLUMNS = {"proofs_proofkey": "public_key", "proofs_dayroot": "root", "proofs_leafblock": "hashes"}
STATEMENTS = ["UPDATE {table} SET {column} = {column}", "DELETE FROM {table}"]


@pytest.fixture(autouse=True)
def _signed(db: None) -> None:
    _, ledger = proven_tenant()
    use(ledger, "a", at=noon())
    sign_until(0)


def change(statement: str, table: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.format(table=table, column=COLUMNS[table]))


@pytest.mark.parametrize("table", COLUMNS)
@pytest.mark.parametrize("statement", [*STATEMENTS, "TRUNCATE {table}"])
def test_the_application_may_not_change_what_was_signed(table: str, statement: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"):
        change(statement, table)


@pytest.mark.as_owner
@pytest.mark.parametrize("table", COLUMNS)
@pytest.mark.parametrize("statement", STATEMENTS)
def test_the_owner_meets_a_trigger(table: str, statement: str) -> None:
    with pytest.raises(IntegrityError, match=f"{table} is history"):
        change(statement, table)
