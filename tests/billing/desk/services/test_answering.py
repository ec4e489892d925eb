"""What staff decide about a question: void and credit in one act, once, and never given back twice."""

from uuid import uuid4

import pytest

from accounts.errors import NotFoundError
from accounts.models import AuditEntry
from accounts.notices.models import Notice, OutboundMail
from billing.desk.errors import LineQuestionError
from billing.desk.models import LineQuestion
from billing.desk.services.answering import accept_question, explain_line, reject_question
from billing.errors import InvoiceStatusError
from billing.models import CreditNote, CreditTarget, Invoice
from billing.selectors.invoicing.preview import preview_next_invoice
from billing.services.invoicing.staff_actions import issue_credit_note
from metering.models import EventVoid
from tests.billing.desk.colleagues import MAY, colleague
from tests.billing.desk.questions_world import Asking, make_asking
from tests.billing.world import STAFF, close_month
from tests.races import DONE, at_once


@pytest.fixture
def asking(db: None) -> Asking:
    return make_asking()


def accept(question: LineQuestion, by: str = "bo", **terms: object) -> LineQuestion:
    given = {"answer": "You are right.\nThey were ours.", "goes_to": CreditTarget.BALANCE, "as_of": MAY} | terms
    return accept_question(question_id=question.pk, actor=colleague(by), **given)  # type: ignore[arg-type]


def corrections(asking: Asking) -> list[int]:
    asking.subscription.refresh_from_db()
    lines = preview_next_invoice(subscription=asking.subscription).lines
    return [line.amount_minor for line in lines if line.adjusts_id is not None]


def test_accepted_its_events_are_void_and_the_line_is_credited_once(asking: Asking) -> None:
    done = accept(asking.ask(3))

    note = CreditNote.objects.get(part_of=asking.invoice)
    assert (done.status, done.events_voided, done.credit_note) == ("accepted", 3, note)
    assert (note.subtotal_minor, note.reason) == (300, "You are right.")
    assert [line["position"] for line in note.credited_lines] == [asking.line.position]
    assert EventVoid.objects.count() == 3
    assert corrections(asking) == [0], "what was credited is not given back by the next invoice, too"
    after = close_month(asking.subscription)
    adjusted = after.lines.filter(revision=after.revision, adjusts__isnull=False)
    assert sum(adjusted.values_list("amount_minor", flat=True)) == 0
    assert {"line_question.accepted", "credit_note.issued"} <= set(AuditEntry.objects.values_list("action", flat=True))


def test_the_customer_is_told_by_notice_and_mail(asking: Asking) -> None:
    accept(asking.ask(1))

    mail = OutboundMail.objects.get(kind="line_question", recipients__contains=["dana@acme.example"])
    assert Notice.objects.get(kind="line_question").page == f"invoices/{asking.invoice.number}/"
    assert mail.subject.startswith("We agree with you about line")
    for words in ("Sent twice.", "They were ours.", "1 event no longer counts.", "/t/acme/invoices/INV-"):
        assert words in mail.text
    assert "credits 1.00" in mail.text.replace("\N{NO-BREAK SPACE}", " ")


def test_staff_may_name_the_amount(asking: Asking) -> None:
    done = accept(asking.ask(0), amount_minor=250)

    assert done.credit_note is not None
    assert (done.credit_note.subtotal_minor, done.events_voided) == (250, 0)


def test_without_events_and_amount_nothing_is_accepted(asking: Asking) -> None:
    question = asking.ask(0)
    with pytest.raises(LineQuestionError, match="Give the amount"):
        accept(question)
    with pytest.raises(NotFoundError):
        accept(replace_pk(question))


def test_if_the_credit_is_refused_no_event_is_void(asking: Asking) -> None:
    question = asking.ask(2)
    issue_credit_note(invoice_id=asking.invoice.pk, reason="All of it", actor=STAFF, as_of=MAY)

    with pytest.raises(InvoiceStatusError):
        accept(question, amount_minor=200)

    assert not EventVoid.objects.exists()
    assert LineQuestion.objects.get().status == "open"


def test_an_answer_and_a_rejection_change_no_money(asking: Asking) -> None:
    first = explain_line(question_id=asking.ask().pk, answer="See the log.", actor=colleague("bo"), as_of=MAY)
    second = reject_question(question_id=asking.ask().pk, answer="They count.", actor=colleague("bo"), as_of=MAY)

    assert [first.status, second.status] == ["answered", "rejected"]
    assert not CreditNote.objects.exists()
    assert not EventVoid.objects.exists()
    with pytest.raises(LineQuestionError, match="rejected already"):
        accept(second)
    with pytest.raises(LineQuestionError, match="Only a person"):
        explain_line(question_id=asking.ask().pk, answer="No.", actor=STAFF, as_of=MAY)


@pytest.mark.django_db(transaction=True)
def test_of_two_members_of_staff_who_decide_at_once_one_does() -> None:
    asking = make_asking()
    question = asking.ask()
    colleague("bo"), colleague("kim")

    ends = at_once(
        lambda: accept(question, "bo"),
        lambda: accept(question, "kim"),
        lambda: reject_question(question_id=question.pk, answer="No.", actor=colleague("kim"), as_of=MAY),
    )

    assert ends == ["LineQuestionError", "LineQuestionError", DONE]
    question.refresh_from_db()
    accepted = question.status == "accepted"
    assert CreditNote.objects.count() == EventVoid.objects.count() / 3 == accepted
    assert OutboundMail.objects.filter(dedupe_key__startswith="line_question:").count() >= 1
    assert Invoice.objects.get(pk=asking.invoice.pk).credited_minor == (300 if accepted else 0)


def replace_pk(question: LineQuestion) -> LineQuestion:
    return LineQuestion(pk=uuid4(), invoice_id=question.invoice_id)
