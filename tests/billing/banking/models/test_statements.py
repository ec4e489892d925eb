"""Statements and entries hold what they say, against whoever writes past the services."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from billing.banking.models import BankEntry, BankStatement
from billing.banking.services.importing import import_statement
from tests.billing.banking.files import Line, camt
from tests.billing.dunning.unpaid import OVERDUE_AT
from tests.billing.world import STAFF

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"amount_minor": 0}, "bank_entry_of_something"),
        ({"status": "lost"}, "bank_entry_status_known"),
        ({"matched_by": "luck"}, "bank_entry_match_known"),
        ({"status": "assigned"}, "bank_entry_assigned_has_payment"),
    ],
)
def test_an_entry_holds_what_it_says(fields: dict[str, Any], name: str) -> None:
    import_statement(content=camt([Line("5.00", payer="Acme")]), file_name="", actor=STAFF, as_of=OVERDUE_AT)
    assert str(BankEntry.objects.get()) == "Acme on 2026-03-10"
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        BankEntry.objects.update(**fields)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"format": "fax"}, "bank_statement_format_known"),
        ({"last_on": "2026-03-01"}, "bank_statement_days_in_order"),
    ],
)
def test_a_statement_holds_what_it_says(fields: dict[str, Any], name: str) -> None:
    import_statement(content=camt([Line("5.00")]), file_name="", actor=STAFF, as_of=OVERDUE_AT)
    assert str(BankStatement.objects.get()) == "Statement of 2026-03-10 to 2026-03-10"
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        BankStatement.objects.update(**fields)
