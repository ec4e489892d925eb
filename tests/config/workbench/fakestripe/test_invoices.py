"""Our invoices at Stripe: created, finalized, charged or sent, paid, failed, voided."""

import pytest
import stripe

from config.workbench.fakestripe.server import FakeStripe
from tests.fakestripe.shopper import DECLINED, open_page, type_card

DAY = 86_400


def draft(customer: stripe.Customer, amount: int = 4900, **fields: object) -> stripe.Invoice:
    invoice = stripe.Invoice.create(
        customer=customer.id,
        currency="eur",
        pending_invoice_items_behavior="exclude",
        metadata={"countinghouse_invoice": "0190"},
        **fields,
    )
    stripe.InvoiceItem.create(
        customer=customer.id, invoice=invoice.id, amount=amount, currency="eur", description="May"
    )
    return invoice


def failing(customer: stripe.Customer) -> stripe.Customer:
    method = stripe.PaymentMethod.attach("pm_card_chargeCustomerFail", customer=customer.id)
    return stripe.Customer.modify(customer.id, invoice_settings={"default_payment_method": method.id})


def kinds(fake: FakeStripe, invoice: stripe.Invoice) -> list[str]:
    return [event["type"] for event in fake.events() if event["data"]["object"]["id"] == invoice.id]


def test_a_draft_is_added_up_and_has_no_number_yet(customer: stripe.Customer) -> None:
    invoice = stripe.Invoice.retrieve(draft(customer).id)
    assert (invoice.status, invoice.number, invoice.hosted_invoice_url) == ("draft", None, None)
    assert (invoice.total, invoice.amount_due, invoice.amount_remaining) == (4900, 4900, 4900)
    [line] = invoice.lines.data
    assert (line.description, line.amount, line.parent.type) == ("May", 4900, "invoice_item_details")
    assert invoice.to_dict()["metadata"] == {"countinghouse_invoice": "0190"}
    assert invoice.parent is None


def test_finalizing_gives_a_number_and_charges_the_default_card(
    fake_stripe: FakeStripe, payer: stripe.Customer
) -> None:
    invoice = draft(payer, auto_advance=True)
    final = stripe.Invoice.finalize_invoice(invoice.id)
    assert (final.status, str(final.number)[-5:]) == ("open", "-0001")
    paid = stripe.Invoice.retrieve(invoice.id, expand=["payments.data.payment.payment_intent.latest_charge"])
    assert (paid.status, paid.amount_paid, paid.amount_remaining, paid.attempt_count) == ("paid", 4900, 0, 1)
    assert paid.status_transitions.paid_at is not None
    [payment] = paid.payments.data
    assert (payment.status, payment.amount_paid, payment.payment.type) == ("paid", 4900, "payment_intent")
    assert payment.payment.payment_intent.latest_charge.status == "succeeded"
    assert kinds(fake_stripe, invoice)[-3:] == ["invoice.updated", "invoice.paid", "invoice.payment_succeeded"]


def test_a_card_that_fails_leaves_the_invoice_open_and_is_tried_again(
    fake_stripe: FakeStripe, customer: stripe.Customer
) -> None:
    invoice = draft(failing(customer), auto_advance=True)
    stripe.Invoice.finalize_invoice(invoice.id)
    failed = stripe.Invoice.retrieve(invoice.id, expand=["payments.data.payment.payment_intent"])
    assert (failed.status, failed.attempt_count, failed.attempted) == ("open", 1, True)
    error = failed.payments.data[0].payment.payment_intent.last_payment_error
    assert (error.code, error.decline_code, error.payment_method.card.last4) == (
        "card_declined",
        "generic_decline",
        "0341",
    )
    assert "invoice.payment_failed" in kinds(fake_stripe, invoice)
    assert failed.next_payment_attempt == pytest.approx(failed.created + 3 * DAY, abs=5)

    fake_stripe.control.advance(3 * DAY + 60)
    assert stripe.Invoice.retrieve(invoice.id).attempt_count == 2

    good = stripe.PaymentMethod.attach("pm_card_visa", customer=customer.id)
    stripe.Customer.modify(customer.id, invoice_settings={"default_payment_method": good.id})
    fake_stripe.control.advance(5 * DAY + 60)
    assert stripe.Invoice.retrieve(invoice.id).status == "paid"


def test_paying_by_call_raises_if_the_card_is_refused(customer: stripe.Customer) -> None:
    invoice = draft(failing(customer))
    stripe.Invoice.finalize_invoice(invoice.id)
    with pytest.raises(stripe.CardError, match="declined"):
        stripe.Invoice.pay(invoice.id)
    assert stripe.Invoice.pay(invoice.id, payment_method="pm_card_visa").status == "paid"
    with pytest.raises(stripe.InvalidRequestError, match="already paid") as again:
        stripe.Invoice.pay(invoice.id)
    assert again.value.code == "invoice_already_paid"


def test_paying_without_any_card_is_refused(customer: stripe.Customer) -> None:
    invoice = draft(customer)
    stripe.Invoice.finalize_invoice(invoice.id)
    with pytest.raises(stripe.InvalidRequestError, match="default_payment_method"):
        stripe.Invoice.pay(invoice.id)


def test_an_invoice_can_be_marked_as_paid_outside_of_stripe(customer: stripe.Customer) -> None:
    invoice = draft(customer)
    stripe.Invoice.finalize_invoice(invoice.id)
    paid = stripe.Invoice.pay(invoice.id, paid_out_of_band=True)
    assert (paid.status, paid.amount_paid, paid.amount_paid_off_stripe) == ("paid", 0, 4900)


def test_an_invoice_over_zero_is_paid_at_once(customer: stripe.Customer) -> None:
    invoice = stripe.Invoice.create(customer=customer.id, currency="eur")
    assert stripe.Invoice.finalize_invoice(invoice.id).status == "paid"


def test_a_sent_invoice_has_a_due_date_and_a_page_for_paying(
    fake_stripe: FakeStripe, customer: stripe.Customer
) -> None:
    invoice = draft(customer, collection_method="send_invoice", days_until_due=14)
    sent = stripe.Invoice.send_invoice(invoice.id)
    assert (sent.status, sent.attempt_count) == ("open", 0)
    assert sent.due_date == pytest.approx(sent.created + 14 * DAY, abs=5)
    page = open_page(sent.hosted_invoice_url)
    assert "EUR 49.00" in page.text
    assert "no real money" in page.text
    refused = type_card(sent.hosted_invoice_url, DECLINED)
    assert (refused.status, "Your card was declined." in refused.text) == (402, True)
    assert stripe.Invoice.retrieve(invoice.id).attempt_count == 1
    assert type_card(sent.hosted_invoice_url).status == 303
    assert "This invoice is paid." in open_page(sent.hosted_invoice_url).text
    assert stripe.Invoice.retrieve(invoice.id).status == "paid"
    assert kinds(fake_stripe, invoice).count("invoice.paid") == 1


def test_voiding_withdraws_the_claim(fake_stripe: FakeStripe, customer: stripe.Customer) -> None:
    invoice = draft(customer)
    with pytest.raises(stripe.InvalidRequestError, match="can only void"):
        stripe.Invoice.void_invoice(invoice.id)
    final = stripe.Invoice.finalize_invoice(invoice.id)
    void = stripe.Invoice.void_invoice(invoice.id, expand=["payments.data.payment.payment_intent"])
    assert (void.status, void.payments.data[0].payment.payment_intent.status) == ("void", "canceled")
    assert void.status_transitions.voided_at is not None
    assert "was voided" in type_card(final.hosted_invoice_url).text
    with pytest.raises(stripe.InvalidRequestError):
        stripe.Invoice.pay(invoice.id)


def test_a_draft_can_be_deleted_and_a_final_invoice_cannot(customer: stripe.Customer) -> None:
    invoice = draft(customer)
    assert stripe.Invoice.delete(invoice.id).deleted
    final = stripe.Invoice.finalize_invoice(draft(customer).id)
    with pytest.raises(stripe.InvalidRequestError):
        stripe.Invoice.delete(final.id)
    with pytest.raises(stripe.InvalidRequestError):
        stripe.InvoiceItem.create(customer=customer.id, invoice=final.id, amount=1, currency="eur")
    with pytest.raises(stripe.InvalidRequestError, match="already finalized"):
        stripe.Invoice.finalize_invoice(final.id)


def test_a_draft_that_advances_by_itself_is_final_after_an_hour(
    fake_stripe: FakeStripe, payer: stripe.Customer
) -> None:
    invoice = draft(payer, auto_advance=True)
    fake_stripe.control.advance(3540)
    assert stripe.Invoice.retrieve(invoice.id).status == "draft"
    fake_stripe.control.advance(120)
    assert stripe.Invoice.retrieve(invoice.id).status == "paid"


def test_pending_items_are_included_on_request(customer: stripe.Customer) -> None:
    stripe.InvoiceItem.create(customer=customer.id, amount=100, currency="eur")
    assert not stripe.Invoice.create(customer=customer.id, currency="eur").lines.data
    taken = stripe.Invoice.create(customer=customer.id, currency="eur", pending_invoice_items_behavior="include")
    assert taken.total == 100
    assert not stripe.InvoiceItem.list(customer=customer.id, pending=True).data


def test_tax_is_put_on_top_or_within(customer: stripe.Customer) -> None:
    on_top = stripe.TaxRate.create(display_name="VAT", percentage=19, inclusive=False)
    within = stripe.TaxRate.create(display_name="VAT", percentage=19, inclusive=True)
    for rate, total, net in ((on_top, 1190, 1000), (within, 1000, 840)):
        invoice = draft(customer, 1000, default_tax_rates=[rate.id])
        whole = stripe.Invoice.retrieve(invoice.id)
        assert (whole.total, whole.total_excluding_tax) == (total, net)
        assert whole.to_dict()["total_taxes"][0]["tax_rate_details"]["tax_rate"] == rate.id


def test_invoices_are_listed_by_state_and_customer(payer: stripe.Customer) -> None:
    paid, open_one = draft(payer, auto_advance=True), draft(payer)
    stripe.Invoice.finalize_invoice(paid.id)
    stripe.Invoice.finalize_invoice(open_one.id)
    assert [item.id for item in stripe.Invoice.list(customer=payer.id, status="open").data] == [open_one.id]
    assert [item.invoice for item in stripe.InvoicePayment.list(invoice=paid.id).data] == [paid.id]
    assert [line.amount for line in stripe.Invoice.list_lines(paid.id).data] == [4900]
