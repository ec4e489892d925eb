"""One service changes the issuer, whoever calls it."""

import pytest

from accounts.errors import InvalidFieldsError
from accounts.models import AuditEntry
from billing.services.invoicing.issuer import update_issuer
from tests.billing.world import MARCH, STAFF

pytestmark = pytest.mark.django_db


def test_changes_of_the_issuer_are_stored_and_audited_once() -> None:
    changes = {"legal_name": "Meridian GmbH", "payment_days": 30}
    assert update_issuer(changes=changes, actor=STAFF, as_of=MARCH).payment_days == 30
    assert update_issuer(changes=changes, actor=STAFF, as_of=MARCH).legal_name == "Meridian GmbH"
    [entry] = AuditEntry.objects.filter(action="issuer.updated")
    assert (entry.before, entry.after) == ({"legal_name": "Sample Seller BV", "payment_days": 14}, changes)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"time_zone": "Mars/Olympus"}, "/time_zone"),
        ({"invoice_prefix": "inv 1"}, "/invoice_prefix"),
        ({"credit_note_prefix": "INV"}, "/credit_note_prefix"),
        ({"country": "DE"}, "/tax_id"),
    ],
)
def test_an_issuer_that_could_issue_nothing_is_refused_by_the_service(changes: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        update_issuer(changes=changes, actor=STAFF, as_of=MARCH)
    assert [error.pointer for error in refused.value.field_errors] == [field]
