"""What happened at Stripe before the fake was started: objects of their day, of which no event is sent."""

import stripe

from config.workbench.fakestripe.server import FakeStripe

PAID_AT = 1_790_000_000
INVOICE = {
    "kind": "invoice", "id": "in_demo1", "at": PAID_AT, "tenant": "t-1", "ours": "i-1", "amount": 2500,
    "currency": "EUR",
}  # fmt: skip


def past(fake: FakeStripe, given: dict[str, object]) -> None:
    fake.control.respond("POST", "past", {name: str(value) for name, value in given.items()})


def test_a_past_payment_is_as_it_would_have_been_and_tells_nobody(fake_stripe: FakeStripe) -> None:
    for _ in range(2):
        past(fake_stripe, INVOICE)

    invoice = stripe.Invoice.retrieve("in_demo1")
    assert (invoice.status, invoice.total, invoice.currency, invoice.created) == ("paid", 2500, "eur", PAID_AT)
    assert dict(invoice.metadata or {}) == {"countinghouse_invoice": "i-1"}
    assert [charge.created for charge in stripe.Charge.list(limit=9).data] == [PAID_AT]
    assert fake_stripe.events() == []
    assert stripe.Customer.create(email="ada@acme.example").created > PAID_AT, "the clock is back"


def test_money_of_a_past_payment_went_back(fake_stripe: FakeStripe) -> None:
    past(fake_stripe, INVOICE)
    past(fake_stripe, {"kind": "refund", "id": "re_demo1", "at": PAID_AT + 5, "invoice": "in_demo1", "amount": 400})
    past(fake_stripe, {"kind": "dispute", "id": "du_demo1", "at": PAID_AT + 9, "invoice": "in_demo1", "amount": 2500})
    past(fake_stripe, {"kind": "payout", "id": "po_demo", "at": PAID_AT, "currency": "eur", "amount": 9, "parts": 10})

    assert (stripe.Refund.retrieve("re_demo1").amount, stripe.Dispute.retrieve("du_demo1").amount) == (400, 2500)
    assert [payout.id for payout in stripe.Payout.list().data] == ["po_demo"]
    assert [part.net for part in stripe.BalanceTransaction.list(payout="po_demo").data] == [10]
    assert fake_stripe.events() == []
