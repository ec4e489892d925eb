"""What happened at Stripe before the fake was started, so that a demo's payments are there, too. No event is sent."""

from collections.abc import Callable
from typing import Final

from config.workbench.fakestripe.cards import GOOD
from config.workbench.fakestripe.customers import create_customer
from config.workbench.fakestripe.errors import Json
from config.workbench.fakestripe.invoice_calls import create_invoice, create_invoice_item, finalize_invoice
from config.workbench.fakestripe.invoices import attempt
from config.workbench.fakestripe.payment_methods import EXPIRY_OF_NAMED, add_card
from config.workbench.fakestripe.payouts import add_entry
from config.workbench.fakestripe.refunds import create_refund, open_dispute
from config.workbench.fakestripe.store import Store


def add_past(store: Store, given: Json) -> Json:
    """Add an object of an earlier second by its kind and id, unless it is there; return it.

    An `invoice` that was paid has `tenant`, `ours` (our invoice's id), `amount` and `currency`; a `refund` the id of
    the invoice and an `amount`, a `dispute` the id of the invoice; a `payout` an `amount` and what its `parts` sum to.
    """
    kind, id_ = given["kind"], given["id"]
    known: Json | None = store.objects[kind].get(id_)
    if known is not None:
        return known
    with store.in_the_past(int(given["at"]), **{kind: id_}):
        return CALLS[kind](store, given)


def _paid_invoice(store: Store, given: Json) -> Json:
    customer, method = _customer(store, given["tenant"]), add_card(store, GOOD, *EXPIRY_OF_NAMED)
    parameters = {
        "customer": customer["id"], "currency": given["currency"], "pending_invoice_items_behavior": "exclude",
        "metadata": {"countinghouse_invoice": given["ours"]}, "auto_advance": "false",
    }  # fmt: skip
    invoice = create_invoice(store, parameters)
    item = {"customer": customer["id"], "invoice": invoice["id"], "currency": given["currency"]}
    create_invoice_item(store, {**item, "amount": given["amount"], "description": given["ours"]})
    finalize_invoice(store, {"auto_advance": "false"}, invoice["id"])
    attempt(store, invoice, method)
    return invoice


def _customer(store: Store, tenant: str) -> Json:
    """Return the tenant's customer, created if it is missing."""
    found = [one for one in store.all("customer") if (one.get("metadata") or {}).get("countinghouse_tenant") == tenant]
    return found[0] if found else create_customer(store, {"metadata": {"countinghouse_tenant": tenant}})


def _intent(store: Store, invoice_id: str) -> str:
    paid = store.all("invoice_payment", invoice=invoice_id, status="paid")
    return str(paid[0]["payment"]["payment_intent"])


def _refund(store: Store, given: Json) -> Json:
    return create_refund(store, {"payment_intent": _intent(store, given["invoice"]), "amount": given["amount"]})


def _dispute(store: Store, given: Json) -> Json:
    return open_dispute(store, _intent(store, given["invoice"]), "needs_response")


def _payout(store: Store, given: Json) -> Json:
    """Add a payout of one part, whose amount may be another than that of its part."""
    part = add_entry(store, {"currency": given["currency"], "id": None}, int(given["parts"]), "charge")
    payout = store.add(
        "payout", amount=int(given["amount"]), arrival_date=store.now(), automatic=True, currency=given["currency"],
        description="STRIPE PAYOUT", failure_code=None, failure_message=None, metadata={}, method="standard",
        reconciliation_status="completed", source_type="card", statement_descriptor=None, status="paid",
        type="bank_account",
    )  # fmt: skip
    store.update(part, _payout=payout["id"])
    return payout


CALLS: Final[dict[str, Callable[[Store, Json], Json]]] = {
    "invoice": _paid_invoice,
    "refund": _refund,
    "dispute": _dispute,
    "payout": _payout,
}
