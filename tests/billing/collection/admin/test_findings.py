"""The page of what reconciliation found: both sides and what to do; billing staff say what they did."""

import pytest
from django.test import Client

from billing.collection.models import PaymentFinding
from tests.billing.admin.desk import act, latest_entry, listed, page
from tests.billing.collection.models.rows import finding

pytestmark = pytest.mark.django_db


def test_billing_staff_settle_a_finding_and_say_what_they_did(as_bo: Client) -> None:
    row = finding()
    shown = as_bo.get(page(row)).content.decode()
    assert "Compare both documents." in shown
    assert "/settle/" in shown
    assert "Settling changes neither side" in as_bo.get(page(row, "settle")).content.decode()

    said = act(as_bo, row, "settle", settlement="Refunded 1.00 at Stripe.", ours=row.ours, theirs=row.theirs)

    assert "Settled." in said
    row.refresh_from_db()
    assert (row.settled_by, row.settlement) == ("bo@example.org", "Refunded 1.00 at Stripe.")
    assert latest_entry().action == "payment_finding.settled"
    assert "/settle/" not in as_bo.get(page(row)).content.decode()


def test_a_finding_that_changed_since_the_page_was_opened_is_not_settled(as_bo: Client) -> None:
    row = finding()
    said = act(as_bo, row, "settle", settlement="Refunded.", ours=row.ours, theirs="3.00 EUR")
    assert "This was changed after you opened the page." in said


def test_staff_who_only_read_see_findings_and_settle_none(as_kim: Client, as_pat: Client) -> None:
    row = finding()
    finding(subject="payment in_2", closed_at=row.opened_at, closed_because="Gone.")
    for client in (as_kim, as_pat):
        assert "/settle/" not in client.get(page(row)).content.decode()
        chosen = client.get(listed(PaymentFinding), {"closed_at__isempty": "1"}).context["cl"].result_list
        assert [one.subject for one in chosen] == ["payment in_1"]
