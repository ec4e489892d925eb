"""Refunds, and disputes of cardholders."""

from config.workbench.fakestripe.errors import Json, invalid, missing
from config.workbench.fakestripe.events import emit
from config.workbench.fakestripe.lists import page
from config.workbench.fakestripe.parameters import choice, merged_metadata, number, text
from config.workbench.fakestripe.payouts import add_entry
from config.workbench.fakestripe.store import Store

REASONS = ("duplicate", "fraudulent", "requested_by_customer")
DAYS_TO_ANSWER = 9
DAY = 86_400


def create_refund(store: Store, parameters: Json) -> Json:
    charge = _charge_of(store, parameters)
    left = charge["amount"] - charge["amount_refunded"]
    if charge["disputed"] and charge["_is_charged_back"]:
        raise invalid(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.", "charge", "charge_disputed"
        )
    if not left:
        message = f"Charge {charge['id']} has already been refunded."
        raise invalid(message, "charge", "charge_already_refunded")
    amount = number(parameters, "amount", left)
    assert amount is not None
    if amount < 1:
        raise invalid("This value must be greater than or equal to 1.", "amount", "parameter_invalid_integer")
    if amount > left:
        message = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
        raise invalid(message, "amount")
    refund = store.add(
        "refund",
        amount=amount,
        balance_transaction=None,
        charge=charge["id"],
        currency=charge["currency"],
        description=None,
        destination_details={"card": {"type": "refund"}, "type": "card"},
        failure_balance_transaction=None,
        failure_reason=None,
        instructions_email=None,
        metadata=merged_metadata({}, parameters),
        next_action=None,
        payment_intent=charge["payment_intent"],
        pending_reason=None,
        reason=choice(parameters, "reason", REASONS) if parameters.get("reason") else None,
        receipt_number=None,
        source_transfer_reversal=None,
        status="succeeded",
        transfer_reversal=None,
    )
    store.update(refund, balance_transaction=add_entry(store, refund, -amount, "refund")["id"])
    _change_refunded(store, charge, amount)
    emit(store, "charge.refunded", charge)
    emit(store, "refund.created", refund)
    return refund


def _charge_of(store: Store, parameters: Json) -> Json:
    if charge_id := text(parameters, "charge"):
        return store.get("charge", charge_id, "charge")
    intent_id = text(parameters, "payment_intent")
    if not intent_id:
        raise missing("charge")
    intent = store.get("payment_intent", intent_id, "payment_intent")
    if intent["status"] != "succeeded":
        raise invalid("This PaymentIntent does not have a successful charge to refund.", "payment_intent")
    return store.get("charge", intent["latest_charge"])


def _change_refunded(store: Store, charge: Json, amount: int) -> None:
    refunded = charge["amount_refunded"] + amount
    store.update(charge, amount_refunded=refunded, refunded=refunded == charge["amount"])


def retrieve_refund(store: Store, _parameters: Json, id_: str) -> Json:
    return store.get("refund", id_)


def list_refunds(store: Store, parameters: Json) -> Json:
    return page(store, "refund", parameters, url="/v1/refunds")


def fail_refund(store: Store, id_: str) -> Json:
    """Return the money to the seller: the customer's bank did not accept it."""
    refund = store.get("refund", id_)
    store.update(refund, status="failed", failure_reason="expired_or_canceled_card")
    add_entry(store, refund, refund["amount"], "refund_failure")
    _change_refunded(store, store.get("charge", refund["charge"]), -refund["amount"])
    emit(store, "refund.failed", refund)
    emit(store, "refund.updated", refund, {"status": "succeeded"})
    return refund


def retrieve_dispute(store: Store, _parameters: Json, id_: str) -> Json:
    return store.get("dispute", id_)


def list_disputes(store: Store, parameters: Json) -> Json:
    return page(store, "dispute", parameters, url="/v1/disputes")


def open_dispute(store: Store, payment_intent_id: str, status: str) -> Json:
    """Open a dispute of a payment. The bank takes the money at once, except in an inquiry."""
    charge = store.get("charge", store.get("payment_intent", payment_intent_id)["latest_charge"])
    is_inquiry = status.startswith("warning_")
    due_by = store.now() + DAYS_TO_ANSWER * DAY
    dispute = store.add(
        "dispute",
        amount=charge["amount"],
        balance_transactions=[],
        charge=charge["id"],
        currency=charge["currency"],
        enhanced_eligibility_types=[],
        evidence={},
        evidence_details={"due_by": due_by, "has_evidence": False, "past_due": False, "submission_count": 0},
        is_charge_refundable=is_inquiry,
        metadata={},
        payment_intent=payment_intent_id,
        payment_method_details={"card": {"brand": "visa", "case_type": "chargeback"}, "type": "card"},
        reason="fraudulent",
        status=status,
    )
    store.update(charge, disputed=True, _is_charged_back=not is_inquiry)
    emit(store, "charge.dispute.created", dispute)
    if not is_inquiry:
        add_entry(store, dispute, -dispute["amount"], "adjustment")
        emit(store, "charge.dispute.funds_withdrawn", dispute)
    return dispute


def close_dispute(store: Store, id_: str, status: str) -> Json:
    """Close a dispute; if it is won, the money comes back."""
    dispute = store.get("dispute", id_)
    before = dispute["status"]
    store.update(dispute, status=status)
    emit(store, "charge.dispute.updated", dispute, {"status": before})
    if status == "won":
        add_entry(store, dispute, dispute["amount"], "adjustment")
        emit(store, "charge.dispute.funds_reinstated", dispute)
    emit(store, "charge.dispute.closed", dispute)
    return dispute
