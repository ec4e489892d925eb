"""An act above the limit is asked for once, and taken back by whoever asked."""

from datetime import timedelta
from uuid import uuid4

import pytest

from accounts.errors import NotFoundError
from accounts.models import AuditEntry
from billing.desk.errors import ApprovalError
from billing.desk.models import Approval, WriteOff
from billing.desk.services.requesting import withdraw_approval
from billing.desk.services.writing_off import write_off_invoice
from tests.billing.desk.colleagues import MAY, asked, colleague, overdue_invoice
from tests.billing.world import STAFF

pytestmark = pytest.mark.django_db


def test_it_waits_and_changes_nothing_until_it_is_approved() -> None:
    invoice = overdue_invoice()
    approval = asked(invoice)
    assert (approval.status, approval.amount_minor, approval.expires_at) == ("open", 4900, MAY + timedelta(days=14))
    assert not WriteOff.objects.exists()
    entry = AuditEntry.objects.get(action="approval.requested")
    assert (entry.tenant_id, entry.actor_label, entry.after["amount_minor"]) == (
        invoice.tenant_id, "bo@example.org", 4900,
    )  # fmt: skip
    with pytest.raises(ApprovalError, match="already requested"):
        asked(invoice, by="kim")


def test_a_request_that_nobody_decided_makes_room_for_another() -> None:
    invoice = overdue_invoice()
    first = asked(invoice)
    second = asked(invoice, by="kim", as_of=MAY + timedelta(days=14))
    first.refresh_from_db()
    assert (first.status, first.decider_id, first.decision_reason, second.status) == (
        "lapsed", None, "It was not decided in time.", "open",
    )  # fmt: skip


def test_only_a_person_asks() -> None:
    invoice = overdue_invoice()
    with pytest.raises(ApprovalError, match="member of staff"):
        write_off_invoice(invoice_id=invoice.pk, reason="gone", actor=STAFF, as_of=MAY)


def test_who_asked_takes_it_back() -> None:
    approval = asked(overdue_invoice())
    with pytest.raises(ApprovalError, match="can withdraw it"):
        withdraw_approval(approval_id=approval.pk, actor=colleague("kim"), as_of=MAY)
    done = withdraw_approval(approval_id=approval.pk, actor=colleague("bo"), as_of=MAY)
    assert (done.status, AuditEntry.objects.filter(action="approval.withdrawn").count()) == ("withdrawn", 1)
    with pytest.raises(ApprovalError, match="withdrawn already"):
        withdraw_approval(approval_id=approval.pk, actor=colleague("bo"), as_of=MAY)
    with pytest.raises(NotFoundError):
        withdraw_approval(approval_id=uuid4(), actor=colleague("bo"), as_of=MAY)
    assert Approval.objects.count() == 1
