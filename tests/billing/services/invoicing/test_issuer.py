"""The issuer is changed by one service, whoever asks."""

import pytest

from accounts.errors import InvalidFieldsError
from accounts.models import AuditEntry
from billing.services.invoicing.issuer import update_issuer
from tests.billing.world import MARCH, STAFF

pytestmark = pytest.mark.django_db


def test_what_changed_is_written_and_recorded_once() -> None:
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
def test_what_no_invoice_could_be_issued_with_is_refused(changes: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        update_issuer(changes=changes, actor=STAFF, as_of=MARCH)
    assert [error.pointer for error in refused.value.field_errors] == [field]
