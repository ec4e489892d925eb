"""A colleague approves, once; no one approves their own request, and what has changed meanwhile is not done."""

from uuid import uuid4

import pytest

from accounts.errors import InvalidFieldsError, NotFoundError
from accounts.models import AuditEntry
from billing.desk.errors import ApprovalError
from billing.desk.models import Approval, WriteOff
from billing.desk.services.deciding import approve, reject
from tests.billing.desk.colleagues import MAY, asked, colleague, overdue_invoice, paid_for
from tests.billing.services.subscriptions.test_changes_races import DONE, at_once

pytestmark = pytest.mark.django_db


def test_a_colleague_approves_and_it_is_done() -> None:
    approval = asked(overdue_invoice())
    with pytest.raises(ApprovalError, match="cannot approve your own request"):
        approve(approval_id=approval.pk, actor=colleague("bo"), as_of=MAY)
    done = approve(approval_id=approval.pk, actor=colleague("kim"), as_of=MAY)
    assert done.decider is not None
    assert (done.status, done.decider.email) == ("approved", "kim@example.org")
    row = WriteOff.objects.get()
    assert (row.amount_minor, row.reason, row.approval_id) == (4900, "bankrupt", approval.pk)
    actions = list(AuditEntry.objects.order_by("pk").values_list("action", "actor_label"))[-2:]
    assert actions == [("invoice.written_off", "kim@example.org"), ("approval.approved", "kim@example.org")]
    with pytest.raises(ApprovalError, match="approved already"):
        approve(approval_id=approval.pk, actor=colleague("pat"), as_of=MAY)
    with pytest.raises(NotFoundError):
        approve(approval_id=uuid4(), actor=colleague("kim"), as_of=MAY)


def test_a_colleague_rejects_with_a_reason() -> None:
    approval = asked(overdue_invoice())
    with pytest.raises(InvalidFieldsError):
        reject(approval_id=approval.pk, reason=" ", actor=colleague("kim"), as_of=MAY)
    done = reject(approval_id=approval.pk, reason="They pay on Friday", actor=colleague("kim"), as_of=MAY)
    assert (done.status, done.decision_reason, WriteOff.objects.count()) == ("rejected", "They pay on Friday", 0)


def test_what_has_changed_meanwhile_is_not_done_and_closes_the_request() -> None:
    invoice = overdue_invoice()
    approval = asked(invoice)
    paid_for(invoice, 1000)
    with pytest.raises(ApprovalError, match=r"39\.00.EUR of INV-2026-000001 are unpaid now"):
        approve(approval_id=approval.pk, actor=colleague("kim"), as_of=MAY)
    approval.refresh_from_db()
    assert (approval.status, approval.decider_id, WriteOff.objects.count()) == ("lapsed", None, 0)
    assert "39.00" in approval.decision_reason


def test_what_is_too_old_is_not_done() -> None:
    approval = asked(overdue_invoice())
    with pytest.raises(ApprovalError, match="not decided in time"):
        approve(approval_id=approval.pk, actor=colleague("kim"), as_of=approval.expires_at)
    assert Approval.objects.get().status == "lapsed"


@pytest.mark.django_db(transaction=True)
def test_of_two_who_approve_at_once_one_does_it() -> None:
    approval = asked(overdue_invoice())
    one, other = colleague("kim"), colleague("pat")
    ends = at_once(
        lambda: approve(approval_id=approval.pk, actor=one, as_of=MAY),
        lambda: approve(approval_id=approval.pk, actor=other, as_of=MAY),
    )
    assert ends == ["ApprovalError", DONE]
    assert WriteOff.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_without_the_lock_both_would_do_it() -> None:
    # The control: two who see an open request and add the row without a lock write it off twice.
    invoice = overdue_invoice()
    approval = asked(invoice)

    def careless() -> None:
        seen = Approval.objects.get(pk=approval.pk)
        assert seen.status == "open"
        WriteOff.objects.create(
            id=uuid4(), tenant_id=seen.tenant_id, invoice=invoice, amount_minor=seen.amount_minor,
            currency="EUR", reason="x", created_at=MAY, created_by="x",
        )  # fmt: skip

    assert at_once(careless, careless) == [DONE, DONE]
    assert sum(WriteOff.objects.values_list("amount_minor", flat=True)) == 9800
