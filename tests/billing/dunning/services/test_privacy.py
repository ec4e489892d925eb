"""A tenant's export has what was done about its unpaid invoices."""

import pytest

from accounts.services.privacy_parts import ExportedRows
from billing.dunning.services.pausing import pause_dunning
from billing.dunning.services.privacy import DunningPrivacy
from tests.billing.dunning.unpaid import OVERDUE_AT, overdue
from tests.billing.world import STAFF


@pytest.mark.django_db
def test_the_export_has_cases_steps_and_pauses_of_the_tenant_alone() -> None:
    invoice = overdue()
    overdue("globex", plan=invoice.subscription.plan_version)
    pause_dunning(tenant=invoice.tenant, reason="Promised.", actor=STAFF, as_of=OVERDUE_AT)
    rows = []
    for piece in DunningPrivacy().files(tenant=invoice.tenant):
        assert isinstance(piece, ExportedRows)
        rows.append([row for page in piece.pages() for row in page])
    cases, steps, pauses = rows
    assert [row["invoice_number"] for row in cases] == [invoice.number]
    assert len(steps) == 6
    assert [row["reason"] for row in pauses] == ["Promised."]
