"""Invoices: their life from the draft to the payment."""

from config.workbench.fakestripe.cards import CONFIRM
from config.workbench.fakestripe.customers import live_customer
from config.workbench.fakestripe.errors import CardDeclinedError, Json, StripeError, invalid
from config.workbench.fakestripe.events import change, emit
from config.workbench.fakestripe.payment_methods import payment_method_named
from config.workbench.fakestripe.payments import charge_card, new_intent
from config.workbench.fakestripe.store import Store

DAY = 86_400
FINALIZES_AFTER_SECONDS = 3_600
DAYS_BETWEEN_ATTEMPTS = (3, 5, 7)


def require_status(invoice: Json, *statuses: str, verb: str) -> None:
    """Raise in Stripe's words if the invoice's status does not permit it."""
    status = invoice["status"]
    if status in statuses:
        return
    if verb == "pay" and status == "paid":
        raise invalid("Invoice is already paid", "invoice", "invoice_already_paid")
    if verb == "finalize" and status != "draft":
        raise invalid("This invoice is already finalized, you can't re-finalize a non-draft invoice.", "invoice")
    if verb in {"update", "delete"}:
        raise invalid("Finalized invoices can't be updated in this way", "invoice", "invoice_not_editable")
    words = f"You can only {verb} an invoice that is {' or '.join(statuses)}; this one is {status}."
    raise invalid(words, "invoice")


def default_method(store: Store, invoice: Json) -> Json | None:
    """Return the card of an automatic charge: the invoice's, its subscription's, or the customer's default."""
    subscription_id = ((invoice["parent"] or {}).get("subscription_details") or {}).get("subscription")
    subscription = store.objects["subscription"].get(subscription_id) if subscription_id else None
    customer = store.get("customer", invoice["customer"])
    settings = customer.get("invoice_settings") or {}
    for id_ in (
        invoice["default_payment_method"],
        subscription["default_payment_method"] if subscription else None,
        settings.get("default_payment_method"),
    ):
        if id_:
            return store.get("payment_method", id_, "payment_method")
    return None


def finalize(store: Store, invoice: Json) -> None:
    """Set its number; it does not change from now on. An invoice of zero is paid at once."""
    require_status(invoice, "draft", verb="finalize")
    now = store.now()
    customer = live_customer(store, invoice["customer"])
    number = customer["next_invoice_sequence"]
    store.update(customer, next_invoice_sequence=number + 1)
    is_sent = invoice["collection_method"] == "send_invoice"
    days = invoice["_days_until_due"] if invoice["_days_until_due"] is not None else 30
    store.update(
        invoice,
        status="open",
        number=f"{customer['invoice_prefix']}-{number:04d}",
        effective_at=now,
        due_date=(invoice["due_date"] or now + days * DAY) if is_sent else None,
        ending_balance=0,
        automatically_finalizes_at=None,
        status_transitions=invoice["status_transitions"] | {"finalized_at": now},
    )
    for item in store.all("invoiceitem", invoice=invoice["id"]):
        store.update(item, frozen_fields=[])
    if invoice["amount_due"]:
        _add_payment(store, invoice)
    emit(store, "invoice.finalized", invoice)
    if not invoice["amount_due"]:
        mark_paid(store, invoice)
    elif invoice["auto_advance"]:
        store.afterwards.append(lambda: _advance(store, invoice))


def _advance(store: Store, invoice: Json) -> None:
    """Run what Stripe does by itself after finalizing: charge the card, or send the mail."""
    if invoice["status"] != "open":
        return
    if invoice["collection_method"] == "send_invoice":
        emit(store, "invoice.sent", invoice)
    else:
        attempt(store, invoice)


def attempt(
    store: Store, invoice: Json, method: Json | None = None, *, is_manual: bool = False, is_on_page: bool = False
) -> StripeError | None:
    """Try to collect. Return the error if the card is declined.

    A manual attempt after the first is not counted, as at Stripe.
    """
    count = invoice["attempt_count"] + (not is_manual or not invoice["attempt_count"])
    chosen = method or default_method(store, invoice)
    if chosen is None:
        message = (
            "There is no `default_payment_method` set on this Customer or Invoice. Please set a "
            "`default_payment_method`."
        )
        return _note_failure(store, invoice, StripeError(message, code="missing_payment_method"), count)
    payment = open_payment(store, invoice)
    intent = store.get("payment_intent", payment["payment"]["payment_intent"])
    try:
        charge_card(store, intent, chosen, is_on_page=is_on_page)
    except CardDeclinedError as refused:
        if refused.error.get("code") == CONFIRM:
            emit(store, "invoice.payment_action_required", invoice)
        return _note_failure(store, invoice, refused, count)
    store.update(invoice, attempt_count=count)
    mark_paid(store, invoice)
    return None


def _note_failure(store: Store, invoice: Json, refused: StripeError, count: int) -> StripeError:
    before = invoice["attempt_count"]
    is_retried = invoice["auto_advance"] and invoice["collection_method"] == "charge_automatically"
    is_retried = is_retried and count <= len(DAYS_BETWEEN_ATTEMPTS)
    after = store.now() + DAYS_BETWEEN_ATTEMPTS[count - 1] * DAY if is_retried else None
    store.update(invoice, attempted=True, attempt_count=count, next_payment_attempt=after)
    emit(store, "invoice.payment_failed", invoice)
    emit(store, "invoice.updated", invoice, {"attempt_count": before})
    _update_subscription(store, invoice)
    return refused


def mark_paid(store: Store, invoice: Json, *, out_of_band: bool = False) -> None:
    """Record that it is paid, by card or outside of Stripe."""
    now = store.now()
    due = invoice["amount_due"]
    for payment in store.all("invoice_payment", invoice=invoice["id"], status="open"):
        transitions = payment["status_transitions"]
        if out_of_band:
            store.update(payment, status="canceled", status_transitions=transitions | {"canceled_at": now})
        else:
            paid = {"status": "paid", "amount_paid": due, "status_transitions": transitions | {"paid_at": now}}
            store.update(payment, **paid)
            emit(store, "invoice_payment.paid", payment)
    store.update(
        invoice,
        status="paid",
        attempted=True,
        amount_paid=0 if out_of_band else due,
        amount_paid_off_stripe=due if out_of_band else 0,
        amount_remaining=0,
        next_payment_attempt=None,
        status_transitions=invoice["status_transitions"] | {"paid_at": now},
    )
    emit(store, "invoice.updated", invoice, {"status": "open"})
    emit(store, "invoice.paid", invoice)
    emit(store, "invoice.payment_succeeded", invoice)
    _update_subscription(store, invoice)


def _update_subscription(store: Store, invoice: Json) -> None:
    """Set the subscription's status by its latest invoice."""
    for subscription in store.all("subscription", latest_invoice=invoice["id"]):
        is_paid = invoice["status"] == "paid"
        status = {
            ("incomplete", True): "active",
            ("past_due", True): "active",
            ("unpaid", True): "active",
            ("active", False): "past_due",
        }.get((subscription["status"], is_paid))
        if status:
            change(store, "customer.subscription.updated", subscription, status=status)


def open_payment(store: Store, invoice: Json) -> Json:
    """Return the payment in progress for an invoice."""
    found = store.all("invoice_payment", invoice=invoice["id"], status="open")
    return found[-1] if found else _add_payment(store, invoice)


def _add_payment(store: Store, invoice: Json) -> Json:
    intent = new_intent(
        store,
        amount=invoice["amount_remaining"],
        currency=invoice["currency"],
        customer=invoice["customer"],
        description=f"Payment for Invoice {invoice['number']}",
        metadata={},
    )
    return store.add(
        "invoice_payment",
        amount_paid=None,
        amount_requested=invoice["amount_remaining"],
        currency=invoice["currency"],
        invoice=invoice["id"],
        is_default=True,
        payment={"payment_intent": intent["id"], "type": "payment_intent"},
        status="open",
        status_transitions={"canceled_at": None, "paid_at": None},
    )


def close(store: Store, invoice: Json, *, status: str, transition: str, event: str) -> None:
    """End it without payment: void or uncollectible."""
    if status == "void":
        for payment in store.all("invoice_payment", invoice=invoice["id"], status="open"):
            transitions = payment["status_transitions"] | {"canceled_at": store.now()}
            store.update(payment, status="canceled", status_transitions=transitions)
            intent = store.get("payment_intent", payment["payment"]["payment_intent"])
            fields = {"status": "canceled", "canceled_at": store.now(), "cancellation_reason": "void_invoice"}
            change(store, "payment_intent.canceled", intent, **fields)
    transitions = invoice["status_transitions"] | {transition: store.now()}
    fields = {"status": status, "next_payment_attempt": None, "status_transitions": transitions}
    store.update(invoice, **fields)
    emit(store, "invoice.updated", invoice, {"status": "open"})
    emit(store, event, invoice)


def pay_with(store: Store, invoice: Json, name: str | None) -> None:
    """Charge the named card or the default one, for the call `pay`. Raise if it is declined."""
    require_status(invoice, "open", "uncollectible", verb="pay")
    refused = attempt(store, invoice, payment_method_named(store, name) if name else None, is_manual=True)
    if refused is not None:
        raise refused
