"""Customers' questions in the admin: the queue with its age, accepted, answered and rejected."""

import pytest
from django.test import Client
from django.urls import reverse

from billing.desk.models import LineQuestion
from billing.models import CreditNote
from tests.billing.admin.desk import act, latest_entry, listed, page
from tests.billing.desk.questions_world import make_asking

pytestmark = pytest.mark.django_db


def test_the_queue_is_shown_and_each_question_is_decided(as_bo: Client, as_pat: Client) -> None:
    asking = make_asking()
    first = asking.ask(2)
    assert "Questions about invoices" in as_bo.get(reverse("admin:index")).content.decode()
    listing = as_pat.get(listed(LineQuestion)).content.decode()
    assert "days" in listing
    assert "Sent twice." in listing
    assert asking.ids[0] in as_pat.get(page(first)).content.decode()
    assert as_pat.post(page(first, "accept")).status_code == 403
    question = as_bo.get(page(first, "accept")).content.decode()
    assert "It names 2 events" in question
    assert "This field is required" in as_bo.post(page(first, "accept"), {"answer": ""}).content.decode()
    bad = {"answer": "Yes.", "amount": "1.001", "goes_to": "balance"}
    assert "More digits than the currency has." in as_bo.post(page(first, "accept"), bad).content.decode()

    told = act(as_bo, first, "accept", answer="You are right.", amount="", goes_to="balance")

    assert "2 events are void, CN-" in told
    assert CreditNote.objects.get().subtotal_minor == 200
    assert latest_entry().action == "line_question.accepted"
    second = asking.ask(0, reason="What is it?")
    assert "answered" in act(as_bo, second, "answer", answer="Calls.")
    third = asking.ask(0, reason="Still?")
    assert "rejected" in act(as_bo, third, "reject", answer="They count.")
    assert not LineQuestion.objects.filter(status="open").exists()
