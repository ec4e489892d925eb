"""Asking about a line in the portal: from its events, seen beside it, answered, and taken back."""

from django.test import Client

from accounts.models import Membership
from billing.desk.models import LineQuestion
from billing.desk.services.answering import accept_question
from billing.models import CreditTarget, InvoiceLine
from tests.billing.desk.colleagues import colleague
from tests.portal.conftest import NOW, Cast
from tests.portal.views.test_invoices import issue_march, subscribe_acme
from tests.portal.views.test_pricing import shown


def test_a_line_is_asked_about_and_answered_in_place(cast: Cast, alice: Client) -> None:
    invoice = issue_march(subscribe_acme(cast))
    line = InvoiceLine.objects.get(invoice=invoice, revision=invoice.revision, kind="usage")
    page, of_line = f"/t/acme/invoices/{invoice.number}/", f"/t/acme/invoices/{invoice.number}/lines/{line.position}/"
    events = alice.get(f"{of_line}events/").content.decode()
    [event_id] = [part.split('"')[0] for part in events.split('name="event" value="')[1:]][:1]
    asking = alice.get(f"{of_line}ask/?event={event_id}")
    assert event_id in asking.content.decode()

    assert alice.post(f"{of_line}ask/", {"reason": "Why?", "events": "other"}).status_code == 422
    asked = alice.post(f"{of_line}ask/", {"reason": "Sent twice.", "events": event_id}, follow=True)

    assert "The answer appears beside the line" in shown(asked)
    assert "Question is open Asked on 10 March 2026 by alice@example.com, about 1 event Withdraw Sent twice." in shown(
        asked
    )
    assert shown(asked).count("Ask about this line") == 1, "only about the fee"
    assert "Question" in shown(alice.get("/t/acme/invoices/")).split(str(invoice.number))[1][:120]
    again = alice.post(f"{of_line}ask/", {"reason": "Too dear."}, follow=True)
    assert "waits for an answer already" in shown(again)
    accept_question(
        question_id=LineQuestion.objects.get().pk,
        answer="You are right.",
        goes_to=CreditTarget.BALANCE,
        actor=colleague("bo"),
        as_of=NOW,
        amount_minor=50,
    )
    answered = shown(alice.get(page))
    assert "Question accepted" in answered
    assert "You are right. Credit note CN-" in answered
    assert "1 event no longer counts." in answered


def test_a_question_is_withdrawn_after_a_confirmation(cast: Cast, alice: Client, client: Client) -> None:
    invoice = issue_march(subscribe_acme(cast))
    alice.post(f"/t/acme/invoices/{invoice.number}/lines/1/ask/", {"reason": "Why?"})
    question = LineQuestion.objects.get()
    address = f"/t/acme/invoices/questions/{question.pk}/withdraw/"

    client.force_login(cast.charlie, backend="django.contrib.auth.backends.ModelBackend")
    assert client.post(address).status_code == 404
    assert client.post(address.replace("acme", "rival")).status_code == 404
    assert "Withdraw your question?" in shown(alice.get(address))
    assert "Your question is withdrawn." in shown(alice.post(address, follow=True))
    assert "withdrawn already" in shown(alice.post(address, follow=True))
    Membership.objects.filter(user=cast.alice).update(role="viewer")
    assert alice.get(address).status_code == 403
