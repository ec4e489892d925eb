"""Requests and write-offs hold what they say, against whoever writes past the services."""

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import User
from billing.desk.models import Approval
from billing.models import Invoice, Payment
from tests.billing.desk import rows as desk_rows
from tests.billing.models import rows
from tests.billing.models.rows import NOW, issued
from tests.billing.world import subscribe_tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def invoice() -> Invoice:
    draft = rows.draft(subscribe_tenant())
    Invoice.objects.filter(pk=draft.pk).update(**issued())
    draft.refresh_from_db()
    return draft


@pytest.fixture
def people() -> list[User]:
    return [User.objects.create_user(f"{name}@example.org", None, is_staff=True) for name in ("bo", "kim")]


def approval(about: Invoice, people: list[User], **fields: Any) -> Approval:
    return desk_rows.approval(about, **({"requester": people[0]} | fields))


DECIDED = {"status": "approved", "decided_at": NOW}


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"kind": "gift"}, "approval_kind_known"),
        ({"status": "maybe", "decided_at": NOW}, "approval_status_known"),
        ({"amount_minor": 0}, "approval_of_something"),
        ({"reason": ""}, "approval_has_reason"),
        ({"status": "rejected"}, "approval_decided_has_time"),
        ({"decided_at": NOW}, "approval_decided_has_time"),
        (DECIDED, "approval_by_another"),
        (DECIDED | {"decider": 0}, "approval_by_another"),
        ({}, "approval_of_invoice_open_once"),
        ({"invoice": None, "kind": "refund", "payment": True}, "approval_of_payment_open_once"),
    ],
)
def test_a_request_holds_what_it_says(invoice: Invoice, people: list[User], fields: dict[str, Any], name: str) -> None:
    assert str(approval(invoice, people)) == "Write off of 58.31\N{NO-BREAK SPACE}EUR"
    payment = rows.payment(invoice)
    approval(invoice, people, invoice=None, kind="refund", payment=payment)
    given = dict(fields)
    if "decider" in given:
        given["decider"] = people[given["decider"]]
    if "payment" in given:
        given["payment"] = Payment.objects.get()
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        approval(invoice, people, **given)


def test_a_colleague_decides_once_and_nothing_is_asked_otherwise(invoice: Invoice, people: list[User]) -> None:
    row = approval(invoice, people)
    for change in ({"amount_minor": 1}, {"reason": "other"}, {"requester": people[1]}):
        with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
            Approval.objects.filter(pk=row.pk).update(**change)
    Approval.objects.filter(pk=row.pk).update(**DECIDED, decider=people[1])
    with pytest.raises(IntegrityError, match="decided once"), transaction.atomic():
        Approval.objects.filter(pk=row.pk).update(status="rejected")


@pytest.mark.as_owner
def test_no_request_goes_away(invoice: Invoice, people: list[User]) -> None:
    approval(invoice, people)
    with pytest.raises(IntegrityError, match="decided once"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM desk_approval")


@pytest.mark.parametrize(
    ("fields", "name"), [({"amount_minor": 0}, "write_off_of_something"), ({"reason": ""}, "write_off_has_reason")]
)
def test_a_write_off_holds_what_it_says(invoice: Invoice, fields: dict[str, Any], name: str) -> None:
    assert str(desk_rows.write_off(invoice)).startswith("Write-off of INV-")
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        desk_rows.write_off(invoice, **fields)
