"""How many questions wait, of which invoices, and what a subscription that has ended still gives back: nothing."""

from datetime import timedelta

from billing.desk.selectors.line_questions import corrections_due, invoices_in_question, open_questions
from billing.desk.services.line_questions import withdraw_question
from billing.models import Subscription
from billing.selectors.invoicing.crediting import left_of
from metering.services.event_voids import void_counted_events
from tests.billing.desk.colleagues import MAY
from tests.billing.desk.questions_world import make_asking
from tests.metering.ledger_world import ledger_of


def test_what_waits_and_what_the_next_invoice_would_give_back(db: None) -> None:
    asking = make_asking()
    invoice = asking.invoice
    assert open_questions(MAY) == ""
    question = asking.ask()
    assert open_questions(MAY + timedelta(days=2)) == "1 wait for an answer, the oldest for 2 days"
    assert invoices_in_question([invoice.pk]) == {invoice.pk}
    withdraw_question(question_id=question.pk, tenant_id=question.tenant_id, actor=asking.member, as_of=MAY)
    assert invoices_in_question([invoice.pk]) == set()

    assert corrections_due(invoice, left_of(invoice)) == {}
    names = [(id_, "") for id_ in asking.ids[:2]]
    void = {"ledger": ledger_of(invoice.tenant), "names": names, "reason": "Test", "voided_by": "us", "as_of": MAY}
    assert [void_counted_events(**void), void_counted_events(**void)] == [2, 0]
    assert corrections_due(invoice, left_of(invoice)) == {asking.line.position: 200}
    Subscription.objects.filter(pk=invoice.subscription_id).update(status="cancelled", ended_at=MAY)
    invoice.subscription.refresh_from_db()
    assert corrections_due(invoice, left_of(invoice)) == {}
