"""A question says whole things, is decided once, and never changes."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from accounts.models import User
from billing.desk.models import LineQuestion
from billing.models import Invoice
from tests.billing.desk.rows import line_question
from tests.billing.models.rows import NOW
from tests.billing.world import first_invoice, subscribe_tenant

pytestmark = pytest.mark.django_db
DECIDED = {"status": "answered", "decided_at": NOW, "answer": "As agreed."}


@pytest.fixture
def invoice() -> Invoice:
    return first_invoice(subscribe_tenant())


@pytest.fixture
def asker() -> User:
    return User.objects.create_user("dana@example.org", None)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"status": "maybe", "decided_at": NOW, "decider": True}, "line_question_status_known"),
        ({"reason": ""}, "line_question_has_reason"),
        ({"decided_at": NOW}, "line_question_decided_has_time"),
        ({**DECIDED}, "line_question_decided_has_time"),
        ({**DECIDED, "decider": True, "decided_at": NOW - timedelta(days=1)}, "line_question_decided_has_time"),
        ({**DECIDED, "decider": True, "events_voided": 1}, "line_question_credits_if_accepted"),
        ({**DECIDED, "decider": True, "answer": ""}, "line_question_decided_has_answer"),
    ],
)
def test_a_question_holds_what_it_says(invoice: Invoice, asker: User, fields: dict[str, Any], name: str) -> None:
    given = fields | ({"decider": asker} if fields.get("decider") else {})
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        line_question(invoice, asker=asker, **given)


def test_one_question_of_a_line_is_open(invoice: Invoice, asker: User) -> None:
    line_question(invoice, asker=asker)
    line_question(invoice, asker=asker, decider=asker, **DECIDED)
    line_question(invoice, asker=asker, position=2)
    with pytest.raises(IntegrityError, match="line_question_open_once"), transaction.atomic():
        line_question(invoice, asker=asker)


@pytest.mark.as_owner
def test_a_question_never_changes_and_is_decided_once(invoice: Invoice, asker: User) -> None:
    question = line_question(invoice, asker=asker)
    rows = LineQuestion.objects.filter(pk=question.pk)

    def refused(**changes: object) -> None:
        with pytest.raises(IntegrityError, match="decided once"), transaction.atomic():
            rows.update(**changes)

    refused(reason="Another.")
    rows.update(**DECIDED, decider=asker)
    refused(answer="Another.")
    refused(status="open", decided_at=None, decider=None, answer="")
    with pytest.raises(IntegrityError, match="decided once"), transaction.atomic():
        rows.delete()
