"""The mails of dunning: to whom, with the PDF, the link and the facts of the case."""

import pytest

from accounts.models import Tenant
from accounts.notices.models import OutboundMail
from billing.dunning.services.running import run_due_steps
from billing.services.documents.deliveries import deliver_documents
from tests.billing.dunning.scripted.provider import ScriptedProvider
from tests.billing.dunning.unpaid import DAY, FAILED_AT, OVERDUE_AT, case_of, declined, overdue, run_until
from tests.billing.world import set_issuer

pytestmark = pytest.mark.django_db


def latest() -> OutboundMail:
    return OutboundMail.objects.filter(kind="dunning").latest("pk")


def test_a_reminder_has_the_invoice_the_account_and_the_link() -> None:
    set_issuer(bank_account="DE89 3704 0044 0532 0130 00\nCOBADEFFXXX", legal_name="Seller & Sons")
    invoice = overdue()
    deliver_documents(as_of=OVERDUE_AT)
    run_due_steps(as_of=OVERDUE_AT + DAY)
    mail = latest()
    assert mail.attachment_name == f"{invoice.number}.pdf"
    assert "were due on 15 March 2026" in mail.text
    assert "DE89 3704 0044 0532 0130 00 COBADEFFXXX" in mail.text
    assert "Reference of the transfer: RF" in mail.text
    assert "/pay/" in mail.text
    assert "Seller & Sons" in mail.text
    assert "Seller &amp; Sons" in mail.html
    assert "works for 30 days" in mail.html


def test_a_card_is_named_and_no_bank_account(provider: ScriptedProvider) -> None:
    set_issuer(bank_account="DE89 3704 0044 0532 0130 00")
    declined(provider)
    run_due_steps(as_of=FAILED_AT)
    assert "could not be charged to your Mandate ending in 17" in latest().text
    assert "DE89" not in latest().text
    assert latest().attachment is None


def test_a_tenant_without_a_recipient_is_told_of_in_the_outcome(provider: ScriptedProvider) -> None:
    invoice = declined(provider)
    Tenant.objects.update(billing_email="")
    run_until(FAILED_AT)
    assert case_of(invoice).steps.get(position=1).outcome == "There is no recipient for a mail."
