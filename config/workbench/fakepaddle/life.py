"""What happens at Paddle: a checkout is paid, a charge fails, a subscription renews, money goes back."""

import secrets
from decimal import ROUND_HALF_UP, Decimal

from config.workbench.fakepaddle.store import Json, PaddleError, PaddleStore, seconds_of, stamp_of
from config.workbench.fakestripe.cards import BY_NUMBER, Card

# The tax that the fake adds, whatever the customer's country.
TAX_RATE = "0.2"
PERIOD_SECONDS = 30 * 86_400
PAID = {"paid", "completed"}
GOING_ON = {"active", "trialing", "past_due", "paused"}


# Transactions


def add_transaction(store: PaddleStore, given: Json, *, origin: str, subscription: Json | None = None) -> Json:
    """Create a transaction over items whose prices come with them."""
    currency = given.get("currency_code") or "EUR"
    items = [{"price": _price(store, item, currency), "quantity": item["quantity"]} for item in given["items"]]
    lines = [_line(store, item) for item in items]
    transaction = store.add(
        "transaction",
        status="ready" if given.get("customer_id") else "draft",
        customer_id=given.get("customer_id"),
        address_id=None if subscription is None else subscription["address_id"],
        business_id=None,
        custom_data=given.get("custom_data"),
        currency_code=currency,
        origin=origin,
        subscription_id=None if subscription is None else subscription["id"],
        invoice_id=None,
        invoice_number=None,
        collection_mode=given.get("collection_mode") or "automatic",
        discount_id=None,
        billing_details=None,
        billing_period=None,
        items=[{**item, "proration": None} for item in items],
        details=_details(lines, currency),
        payments=[],
        checkout={"url": None},
        billed_at=None,
        revised_at=None,
    )
    if subscription is None:
        page = (given.get("checkout") or {}).get("url") or f"{store.base_url}/checkout"
        url = f"{page}{'&' if '?' in page else '?'}_ptxn={transaction['id']}"
        store.update(transaction, checkout={"url": url})
    store.emit("transaction.created", transaction)
    return transaction


def _price(store: PaddleStore, item: Json, currency: str) -> Json:
    price = item.get("price")
    if not isinstance(price, dict) or price.get("unit_price", {}).get("currency_code") != currency:
        raise PaddleError("The fake takes prices that come with the item, in the transaction's currency.")
    if not str(price["unit_price"]["amount"]).isdigit():
        raise PaddleError("unit_price.amount must be a text of digits.", code="invalid_field")
    at = store.stamp()
    return {
        "id": store.new_id("price"), "name": price.get("name"), "description": price["description"], "type": "custom",
        "status": "active", "quantity": {"minimum": 1, "maximum": 100}, "tax_mode": price.get("tax_mode") or "external",
        "product_id": store.new_id("product"), "unit_price": price["unit_price"], "unit_price_overrides": [],
        "custom_data": price.get("custom_data"), "trial_period": price.get("trial_period"),
        "billing_cycle": price.get("billing_cycle"), "import_meta": None, "created_at": at, "updated_at": at,
        "_product": price["product"],
    }  # fmt: skip


def _line(store: PaddleStore, item: Json) -> Json:
    subtotal = 0 if item["price"]["trial_period"] else int(item["price"]["unit_price"]["amount"]) * item["quantity"]
    tax = int((Decimal(subtotal) * Decimal(TAX_RATE)).quantize(Decimal(1), ROUND_HALF_UP))
    totals = {"subtotal": str(subtotal), "tax": str(tax), "discount": "0", "total": str(subtotal + tax)}
    product, price = item["price"].pop("_product"), item["price"]
    return {
        "id": store.new_id("item"), "price_id": price["id"], "quantity": item["quantity"], "totals": totals,
        "unit_totals": totals, "tax_rate": TAX_RATE, "proration": None,
        "product": {
            "id": price["product_id"], "name": product["name"], "description": product.get("description"),
            "type": "custom", "tax_category": product["tax_category"], "image_url": None, "custom_data": None,
            "status": "active", "import_meta": None, "created_at": price["created_at"],
            "updated_at": price["created_at"],
        },
    }  # fmt: skip


def _details(lines: list[Json], currency: str) -> Json:
    def summed(name: str) -> str:
        return str(sum(int(line["totals"][name]) for line in lines))

    total = summed("total")
    fee = str(int(total) // 20)
    totals = {
        "subtotal": summed("subtotal"), "discount": "0", "tax": summed("tax"), "total": total, "credit": "0",
        "credit_to_balance": "0", "balance": total, "grand_total": total, "fee": None, "earnings": None,
        "grand_total_tax": summed("tax"),
        "currency_code": currency,
    }  # fmt: skip
    sums = {name: totals[name] for name in ("subtotal", "discount", "tax", "total")}
    return {
        "tax_rates_used": [{"tax_rate": TAX_RATE, "totals": sums}],
        "totals": totals,
        "adjusted_totals": {
            **sums,
            "grand_total": total,
            "grand_total_tax": sums["tax"],
            "fee": fee,
            "earnings": "0",
            "retained_fee": "0",
            "currency_code": currency,
        },
        "payout_totals": None,
        "adjusted_payout_totals": None,
        "line_items": lines,
    }


def total_of(transaction: Json) -> int:
    return int(transaction["details"]["totals"]["total"])


def cancel_transaction(store: PaddleStore, transaction: Json) -> Json:
    if transaction["status"] in {*PAID, "canceled"}:
        raise PaddleError("cannot change status of a completed or canceled transaction", code="transaction_immutable")
    store.update(transaction, status="canceled")
    store.emit("transaction.canceled", transaction)
    store.emit("transaction.updated", transaction)
    return transaction


def check_out(store: PaddleStore, transaction: Json, card: Card, *, expiry: tuple[int, int]) -> str:
    """Pay a transaction on its page, which makes the subscription if an item recurs; return what was refused."""
    refusal = _attempt(store, transaction, card, expiry=expiry, is_on_page=True)
    if refusal:
        return refusal
    recurring = [item for item in transaction["items"] if item["price"]["billing_cycle"]]
    if recurring and transaction["subscription_id"] is None:
        _subscribe(store, transaction, card, expiry)
    _complete(store, transaction)
    return ""


def _attempt(
    store: PaddleStore, transaction: Json, card: Card, *, expiry: tuple[int, int], is_on_page: bool = False
) -> str:
    """Charge a card for a transaction; return why it was declined."""
    is_free = not total_of(transaction)
    is_declined = card.refusal is not None and not (is_free and card.is_saved_without_complaint)
    is_declined = is_declined and not (card.is_confirmed_by_customer and is_on_page)
    code = None
    if is_declined and card.refusal is not None:
        code = {"insufficient_funds": "not_enough_balance", "lost_card": "blocked_card"}.get(
            card.refusal.decline_code or "", "expired_card" if card.refusal.code == "expired_card" else "declined"
        )
    at = store.stamp()
    payment = {
        "payment_attempt_id": secrets.token_hex(16),
        "payment_method_id": store.new_id("payment"),
        "stored_payment_method_id": secrets.token_hex(16),
        "amount": str(total_of(transaction)),
        "status": "error" if is_declined else "captured",
        "error_code": code,
        "method_details": {
            "type": "card",
            "card": {
                "type": card.brand, "last4": card.last4, "expiry_month": expiry[0], "expiry_year": expiry[1],
                "cardholder_name": "Ada Lovelace",
            },
        },
        "created_at": at,
        "captured_at": None if is_declined else at,
    }  # fmt: skip
    # The latest first, as Paddle lists them.
    store.update(transaction, payments=[payment, *transaction["payments"]])
    if not is_declined:
        return ""
    store.emit("transaction.payment_failed", transaction)
    store.emit("transaction.updated", transaction)
    assert card.refusal is not None
    return card.refusal.message


def _complete(store: PaddleStore, transaction: Json) -> None:
    details = transaction["details"]
    total = total_of(transaction)
    fee, tax = total // 20, int(details["totals"]["tax"])
    money = {"fee": str(fee), "earnings": str(total - fee - tax)}
    totals = {**details["totals"], **money, "balance": "0"}
    payout = {**totals, "exchange_rate": "1", "fee_rate": "0.05"}
    number = f"FAKE-{10_000 + len(store.all('transaction'))}"
    paid = {
        "billed_at": transaction["billed_at"] or store.stamp(),
        "invoice_number": number,
        "details": {**details, "totals": totals, "payout_totals": payout},
    }
    store.update(transaction, status="paid", **paid)
    store.emit("transaction.paid", transaction)
    store.update(transaction, status="completed")
    store.emit("transaction.completed", transaction)
    store.emit("transaction.updated", transaction)


# Subscriptions


def _subscribe(store: PaddleStore, transaction: Json, card: Card, expiry: tuple[int, int]) -> None:
    at, end = store.stamp(), stamp_of(store.now() + PERIOD_SECONDS)
    recurring = [item for item in transaction["items"] if item["price"]["billing_cycle"]]
    is_trial = any(item["price"]["trial_period"] for item in recurring)
    products = {line["price_id"]: line["product"] for line in transaction["details"]["line_items"]}
    subscription = store.add(
        "subscription",
        status="trialing" if is_trial else "active",
        customer_id=transaction["customer_id"],
        address_id=store.new_id("address"),
        business_id=None,
        currency_code=transaction["currency_code"],
        started_at=at,
        first_billed_at=None if is_trial else at,
        next_billed_at=end,
        paused_at=None,
        canceled_at=None,
        discount=None,
        collection_mode="automatic",
        billing_details=None,
        current_billing_period={"starts_at": at, "ends_at": end},
        billing_cycle=recurring[0]["price"]["billing_cycle"],
        scheduled_change=None,
        custom_data=transaction["custom_data"],
        import_meta=None,
        items=[
            {
                "price": item["price"], "product": products[item["price"]["id"]], "status": "active",
                "quantity": item["quantity"], "recurring": True, "created_at": at, "updated_at": at,
                "trial_dates": {"starts_at": at, "ends_at": end} if is_trial else None, "next_billed_at": end,
                "previously_billed_at": None if is_trial else at,
            }
            for item in recurring
        ],
        _card=card.number,
        _expiry=list(expiry),
    )  # fmt: skip
    pages = f"{store.base_url}/portal/{transaction['customer_id']}"
    store.update(subscription, management_urls={"update_payment_method": pages, "cancel": pages})
    store.update(transaction, subscription_id=subscription["id"])
    store.emit("subscription.created", {**subscription, "transaction_id": transaction["id"]})
    store.emit("subscription.trialing" if is_trial else "subscription.activated", subscription)


def change_subscription(store: PaddleStore, subscription: Json, event_type: str, **fields: object) -> Json:
    """Change a subscription, and tell it: as an update, and by the event of what happened."""
    store.update(subscription, **fields)
    store.emit("subscription.updated", subscription)
    if event_type:
        store.emit(event_type, subscription)
    return subscription


def charge(store: PaddleStore, subscription: Json, given: Json) -> Json:
    """Charge items once on a subscription. A declined charge stays, past due, until it is paid."""
    if subscription["status"] not in {"active", "past_due"} or given["effective_from"] != "immediately":
        raise PaddleError(
            f"A subscription that is {subscription['status']} cannot be charged.",
            code="subscription_update_when_trialing",
        )
    made = add_transaction(
        store,
        {**given, "customer_id": subscription["customer_id"], "currency_code": subscription["currency_code"]},
        origin="subscription_charge",
        subscription=subscription,
    )
    store.update(made, status="billed", billed_at=store.stamp())
    store.emit("transaction.billed", made)
    collect(store, made, subscription)
    return subscription


def collect(store: PaddleStore, transaction: Json, subscription: Json) -> None:
    """Charge the subscription's card for a transaction, now or again."""
    card, expiry = BY_NUMBER[subscription["_card"]], tuple(subscription["_expiry"])
    if _attempt(store, transaction, card, expiry=expiry):
        store.update(transaction, status="past_due")
        store.emit("transaction.past_due", transaction)
        if subscription["status"] == "active":
            change_subscription(store, subscription, "subscription.past_due", status="past_due")
        return
    _complete(store, transaction)
    open_ones = store.all("transaction", subscription_id=subscription["id"], status="past_due")
    if subscription["status"] == "past_due" and not open_ones:
        change_subscription(store, subscription, "", status="active")


def change_card(store: PaddleStore, customer_id: str, card: Card, expiry: tuple[int, int]) -> str:
    """Change the card of a customer's subscriptions, which pays what is past due; return what was refused."""
    card.refuse_when_saved()
    for subscription in store.all("subscription", customer_id=customer_id):
        if subscription["status"] in GOING_ON:
            store.update(subscription, _card=card.number, _expiry=list(expiry))
            for transaction in store.all("transaction", subscription_id=subscription["id"], status="past_due"):
                collect(store, transaction, subscription)
    store.emit("customer.updated", store.update(store.get("customer", customer_id)))
    return ""


def cancel(store: PaddleStore, subscription: Json, *, is_now: bool) -> Json:
    if subscription["status"] == "canceled":
        raise PaddleError("subscription is canceled", code="subscription_is_canceled_action_invalid")
    if not is_now:
        planned = {"action": "cancel", "effective_at": subscription["next_billed_at"], "resume_at": None}
        return change_subscription(store, subscription, "", scheduled_change=planned)
    ended: Json = {"status": "canceled", "canceled_at": store.stamp(), "scheduled_change": None}
    ended |= {"next_billed_at": None, "current_billing_period": None}
    return change_subscription(store, subscription, "subscription.canceled", **ended)


def activate(store: PaddleStore, subscription: Json) -> Json:
    """End a trial: the subscription is billed from now on."""
    if subscription["status"] != "trialing":
        raise PaddleError("subscription is not trialing", code="subscription_not_trialing")
    begin, end = store.stamp(), stamp_of(store.now() + PERIOD_SECONDS)
    billed = [{**item, "previously_billed_at": begin, "next_billed_at": end} for item in subscription["items"]]
    fields: Json = {"status": "active", "first_billed_at": begin, "next_billed_at": end, "items": billed}
    fields["current_billing_period"] = {"starts_at": begin, "ends_at": end}
    return change_subscription(store, subscription, "subscription.activated", **fields)


def renew_due(store: PaddleStore) -> None:
    """Renew, or end, each subscription whose period is over."""
    for subscription in store.all("subscription"):
        due = subscription["next_billed_at"]
        if subscription["status"] not in GOING_ON - {"paused"} or due is None or seconds_of(due) > store.now():
            continue
        if (subscription["scheduled_change"] or {}).get("action") == "cancel":
            cancel(store, subscription, is_now=True)
            continue
        end = stamp_of(seconds_of(due) + PERIOD_SECONDS)
        billed = [{**item, "previously_billed_at": due, "next_billed_at": end} for item in subscription["items"]]
        fields: Json = {
            "next_billed_at": end,
            "items": billed,
            "first_billed_at": subscription["first_billed_at"] or due,
        }
        fields["current_billing_period"] = {"starts_at": due, "ends_at": end}
        if subscription["status"] == "trialing":
            fields["status"] = "active"
        event_type = "subscription.activated" if "status" in fields else ""
        change_subscription(store, subscription, event_type, **fields)


# Adjustments


def adjust(store: PaddleStore, given: Json) -> Json:
    """Request money back, in full or in part. Paddle decides on it: see `decide`."""
    transaction = store.get("transaction", given["transaction_id"])
    if transaction["status"] != "completed":
        raise PaddleError("transaction is not completed", code="adjustment_transaction_invalid_status_for_refund")
    totals, lines = transaction["details"]["totals"], transaction["details"]["line_items"]
    wanted = {item["item_id"]: int(item.get("amount") or 0) for item in given.get("items") or []}
    if given.get("tax_mode") == "external":  # the amounts come without tax
        rate = Decimal(1) + Decimal(TAX_RATE)
        wanted = {id_: int((minor * rate).quantize(Decimal(1), ROUND_HALF_UP)) for id_, minor in wanted.items()}
    total = sum(wanted.values()) if wanted else int(totals["total"])
    before = store.all("adjustment", transaction_id=transaction["id"])
    taken = sum(
        int(one["totals"]["total"]) for one in before if one["status"] == "approved" and one["action"] == "refund"
    )
    is_refund = given["action"] == "refund"
    if total <= 0 or (is_refund and total + taken > int(totals["total"])):
        raise PaddleError("amount above remaining allowed", code="adjustment_amount_above_remaining_allowed")
    tax = int((Decimal(total) * int(totals["tax"]) / (int(totals["total"]) or 1)).quantize(Decimal(1), ROUND_HALF_UP))
    sums = {"subtotal": str(total - tax), "tax": str(tax), "total": str(total)}
    money = {**sums, "fee": "0", "retained_fee": "0", "earnings": str(total - tax)}
    money["currency_code"] = transaction["currency_code"]
    adjustment = store.add(
        "adjustment",
        action=given["action"], type="partial" if wanted else "full", reason=given["reason"],
        transaction_id=transaction["id"], subscription_id=transaction["subscription_id"],
        customer_id=transaction["customer_id"], currency_code=transaction["currency_code"],
        credit_applied_to_balance=None,
        status="pending_approval" if given["action"] == "refund" else "approved",
        items=[
            {
                "id": store.new_id("adjusted"), "item_id": item_id, "type": "partial" if wanted else "full",
                "amount": str(amount or total), "totals": sums, "proration": None,
            }
            for item_id, amount in (wanted or {lines[0]["id"]: 0}).items()
        ],
        totals=money, payout_totals={**money, "chargeback_fee": None}, tax_rates_used=[],
    )  # fmt: skip
    store.emit("adjustment.created", adjustment)
    return adjustment


def decide(store: PaddleStore, adjustment: Json, status: str) -> Json:
    """Approve or reject an adjustment, as Paddle's staff do."""
    store.update(adjustment, status=status)
    store.emit("adjustment.updated", adjustment)
    return adjustment
