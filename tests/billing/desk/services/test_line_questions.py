"""A customer asks about a line once, about events that it counts, and takes the question back."""

from dataclasses import replace
from uuid import uuid4

import pytest

from accounts.domain.actor import Actor
from accounts.domain.roles import Role
from accounts.errors import InvalidFieldsError, NotFoundError, PermissionMissingError
from accounts.models import AuditEntry
from billing.desk.domain.line_questions import EventName
from billing.desk.errors import LineQuestionError
from billing.desk.models import LineQuestion
from billing.desk.services.line_questions import open_question, withdraw_question
from billing.services.invoicing.staff_actions import void_invoice
from metering.services.event_voids import void_counted_event
from tests.billing.desk.colleagues import MAY
from tests.billing.desk.questions_world import Asking, make_asking
from tests.billing.world import STAFF, use
from tests.metering.ledger_world import ledger_of
from tests.races import DONE, at_once


@pytest.fixture
def asking(db: None) -> Asking:
    return make_asking()


def test_the_same_question_twice_is_one_and_another_waits(asking: Asking) -> None:
    first, again = asking.ask(), asking.ask()

    assert first.pk == again.pk
    assert (first.status, len(first.events)) == ("open", 3)
    assert first.description == asking.line.description
    [entry] = AuditEntry.objects.filter(action="line_question.asked")
    assert (entry.tenant_id, entry.after) == (asking.invoice.tenant_id, {"reason": "Sent twice.", "events": 3})
    with pytest.raises(LineQuestionError, match="waits for an answer already"):
        asking.ask(reason="Too dear.")


@pytest.mark.django_db(transaction=True)
def test_two_at_once_ask_one_question() -> None:
    asking = make_asking()
    assert at_once(asking.ask, lambda: asking.ask(1, reason="Too dear.")) == ["LineQuestionError", DONE]
    assert LineQuestion.objects.count() == 1


@pytest.mark.parametrize(
    ("reason", "names", "code"),
    [
        (" \n ", [], "blank"),
        ("x" * 1001, [], "too_long"),
        ("a\x00b", [], "invalid_characters"),
        ("Why?", [EventName("unknown")], "not_counted"),
        ("Why?", [EventName(str(number)) for number in range(51)], "too_many"),
        ("Why?", [EventName("x" * 256)], "too_long"),
    ],
)
def test_what_cannot_be_asked(asking: Asking, reason: str, names: list[EventName], code: str) -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        ask(asking, reason, names)
    assert [error.code for error in refused.value.field_errors] == [code]


def test_only_events_that_the_line_counts_are_meant(asking: Asking) -> None:
    tenant = asking.invoice.tenant
    [late] = use(tenant, at=asking.line.period_end)
    [after] = use(tenant, at=asking.line.period_start, as_of=MAY)
    void_counted_event(ledger=ledger_of(tenant), event_id=asking.ids[0], reason="Test", voided_by="us", as_of=MAY)
    for event_id in (late, after, asking.ids[0]):
        with pytest.raises(InvalidFieldsError, match="counts no event"):
            ask(asking, "Why?", [EventName(event_id)])
    fee = replace(asking, line=asking.invoice.lines.get(kind="recurring", revision=asking.invoice.revision))
    with pytest.raises(InvalidFieldsError, match="counts no events"):
        fee.ask()


def test_nothing_of_a_void_invoice_is_asked(asking: Asking) -> None:
    void_invoice(invoice_id=asking.invoice.pk, reason="Wrong", actor=STAFF, as_of=MAY)
    with pytest.raises(LineQuestionError, match="is void"):
        asking.ask()


def test_staff_who_view_as_the_customer_ask_nothing(asking: Asking) -> None:
    assert asking.member.user_id is not None
    viewing = Actor.viewing(user_id=asking.member.user_id, label="bo as dana", role=Role.OWNER)
    with pytest.raises(PermissionMissingError):
        replace(asking, member=viewing).ask()
    assert not LineQuestion.objects.exists()


def test_it_is_withdrawn_once_and_by_the_own_tenant(asking: Asking) -> None:
    question = asking.ask()
    with pytest.raises(NotFoundError):
        withdraw_question(question_id=question.pk, tenant_id=uuid4(), actor=asking.member, as_of=MAY)
    own = {"question_id": question.pk, "tenant_id": question.tenant_id, "actor": asking.member, "as_of": MAY}
    assert withdraw_question(**own).status == "withdrawn"
    with pytest.raises(LineQuestionError, match="withdrawn already"):
        withdraw_question(**own)
    assert asking.ask().pk != question.pk


def ask(asking: Asking, reason: str, names: list[EventName]) -> LineQuestion:
    return open_question(
        invoice_id=asking.invoice.pk,
        position=asking.line.position,
        reason=reason,
        events=names,
        actor=asking.member,
        as_of=MAY,
    )
