"""Subscriptions and their items. The items have the period, not the subscription."""

import calendar
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from config.workbench.fakestripe.errors import Json, StripeError, invalid
from config.workbench.fakestripe.events import change, emit
from config.workbench.fakestripe.invoice_shapes import add_lines, new_invoice, new_line, subscription_parent
from config.workbench.fakestripe.invoices import attempt, default_method, finalize
from config.workbench.fakestripe.meters import aggregate
from config.workbench.fakestripe.rendering import render
from config.workbench.fakestripe.store import Store

DAY = 86_400
MONTHS_OF = {"month": 1, "year": 12}
LIVE = {"trialing", "active", "past_due", "incomplete", "unpaid"}
NO_REASON = {"comment": None, "feedback": None, "reason": None}


def period_end(start: int, recurring: Json) -> int:
    """Return the end of a period that starts now: the same day of a later month, or that month's last day."""
    begun = datetime.fromtimestamp(start, UTC)
    count = recurring["interval_count"]
    if recurring["interval"] in MONTHS_OF:
        months = begun.month - 1 + MONTHS_OF[recurring["interval"]] * count
        year, month = begun.year + months // 12, months % 12 + 1
        day = min(begun.day, calendar.monthrange(year, month)[1])
        return int(begun.replace(year=year, month=month, day=day).timestamp())
    days = count * (7 if recurring["interval"] == "week" else 1)
    return int((begun + timedelta(days=days)).timestamp())


def new_subscription(
    store: Store, customer: Json, lines: list[Json], *, trial_days: int | None = None, **given: object
) -> Json:
    """Create a subscription with its items: each line has `price`, `quantity`, `metadata`, `tax_rates`."""
    now = store.now()
    currency = lines[0]["price"]["currency"]
    trial_end = now + trial_days * DAY if trial_days else None
    subscription = store.add("subscription", **{**_fields(customer, currency, now, trial_end), **given})
    for line in lines:
        add_item(store, subscription, line, now, trial_end or period_end(now, line["price"]["recurring"]))
    if customer["currency"] is None:
        store.update(customer, currency=currency)
    return subscription


def _fields(customer: Json, currency: str, now: int, trial_end: int | None) -> Json:
    return {
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": trial_end or now,
        "billing_cycle_anchor_config": None,
        "billing_mode": {"flexible": {"proration_discounts": "included"}, "type": "flexible", "updated_at": now},
        "billing_schedules": [],
        "billing_thresholds": None,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": NO_REASON,
        "collection_method": "charge_automatically",
        "currency": currency,
        "customer": customer["id"],
        "customer_account": None,
        "days_until_due": None,
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "ended_at": None,
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "latest_invoice": None,
        "metadata": {},
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": None,
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "schedule": None,
        "start_date": now,
        "status": "trialing" if trial_end else "active",
        "test_clock": None,
        "transfer_data": None,
        "trial_end": trial_end,
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
        "trial_start": now if trial_end else None,
    }


def add_item(store: Store, subscription: Json, line: Json, start: int, end: int) -> Json:
    price = line["price"]
    recurring = price["recurring"]
    if recurring is None:
        message = (
            "The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`."
        )
        raise invalid(message, "items[0][price]")
    if price["currency"] != subscription["currency"]:
        raise invalid("All prices on a subscription must have the same currency.", "items")
    item = store.add(
        "subscription_item",
        billed_until=None,
        billing_thresholds=None,
        current_period_end=end,
        current_period_start=start,
        discounts=[],
        metadata=line.get("metadata") or {},
        price=price["id"],
        subscription=subscription["id"],
        tax_rates=[render(store, store.get("tax_rate", id_, "tax_rates")) for id_ in line.get("tax_rates") or []],
    )
    if recurring["usage_type"] == "licensed":
        store.update(item, quantity=line.get("quantity") or 1)
    return item


def items_of(store: Store, subscription: Json) -> list[Json]:
    return store.all("subscription_item", subscription=subscription["id"])


def ends_at(store: Store, subscription: Json) -> int:
    """Return the end of the current period: the latest of the items'."""
    return max(int(item["current_period_end"]) for item in items_of(store, subscription))


# Money


def start(store: Store, subscription: Json, *, behavior: str = "allow_incomplete") -> StripeError | None:
    """Emit its creation and collect its first invoice. Return the error if the card is declined."""
    if subscription["status"] == "trialing":
        emit(store, "customer.subscription.created", subscription)
        return None
    invoice = _draft(store, subscription, "subscription_create", metered=None)
    if invoice["amount_due"] and default_method(store, invoice) is None and behavior != "default_incomplete":
        _undo(store, subscription, invoice)
        message = (
            "This customer has no attached payment source or default payment method. "
            "Please consider adding a default payment method."
        )
        raise StripeError(message, code="resource_missing")
    if invoice["amount_due"]:
        store.update(subscription, status="incomplete")
    emit(store, "invoice.created", invoice)
    store.update(invoice, auto_advance=False)  # collected here, and not again afterwards
    finalize(store, invoice)
    emit(store, "customer.subscription.created", subscription)
    store.update(invoice, auto_advance=True)
    if invoice["status"] == "paid" or behavior == "default_incomplete":
        return None
    return attempt(store, invoice)


def _undo(store: Store, subscription: Json, invoice: Json) -> None:
    for item in items_of(store, subscription):
        store.remove("subscription_item", item["id"])
    store.remove("invoice", invoice["id"])
    store.remove("subscription", subscription["id"])


def renew(store: Store, subscription: Json) -> Json:
    """End the current period: bill it, and begin the next, or end the subscription if that was requested."""
    ended_at = ends_at(store, subscription)
    if subscription["cancel_at"] is not None and subscription["cancel_at"] <= ended_at:
        cancel(store, subscription)
        return subscription
    metered = {item["id"]: (item["current_period_start"], ended_at) for item in items_of(store, subscription)}
    for item in items_of(store, subscription):
        recurring = store.get("price", item["price"])["recurring"]
        store.update(item, current_period_start=ended_at, current_period_end=period_end(ended_at, recurring))
    if subscription["status"] == "trialing":
        store.update(subscription, status="active")
    emit(store, "customer.subscription.updated", subscription, {"items": None})
    invoice = _draft(store, subscription, "subscription_cycle", metered=metered)
    emit(store, "invoice.created", invoice)
    store.update(invoice, auto_advance=True)
    finalize(store, invoice)
    return subscription


def cancel(store: Store, subscription: Json, *, details: Json | None = None) -> None:
    """End the subscription now."""
    now = store.now()
    given = details or {}
    store.update(
        subscription,
        status="canceled",
        canceled_at=subscription["canceled_at"] or now,
        ended_at=now,
        cancellation_details={**subscription["cancellation_details"], "reason": "cancellation_requested", **given},
    )
    emit(store, "customer.subscription.deleted", subscription)


def schedule_cancellation(store: Store, subscription: Json, *, by_portal: bool) -> None:
    """End it with its period. The portal sets only the date (billing mode flexible), the API the flag as well."""
    change(
        store,
        "customer.subscription.updated",
        subscription,
        cancel_at=ends_at(store, subscription),
        cancel_at_period_end=not by_portal,
        canceled_at=store.now(),
        cancellation_details=NO_REASON | {"reason": "cancellation_requested"},
    )


def keep(store: Store, subscription: Json) -> None:
    """Undo a scheduled cancellation."""
    fields = {"cancel_at": None, "cancel_at_period_end": False, "canceled_at": None}
    change(store, "customer.subscription.updated", subscription, **fields, cancellation_details=NO_REASON)


def _draft(store: Store, subscription: Json, reason: str, *, metered: dict[str, tuple[int, int]] | None) -> Json:
    details = {"metadata": subscription["metadata"], "subscription": subscription["id"]}
    invoice = new_invoice(
        store,
        store.get("customer", subscription["customer"]),
        currency=subscription["currency"],
        billing_reason=reason,
        auto_advance=True,
        collection_method=subscription["collection_method"],
        default_tax_rates=subscription["default_tax_rates"],
        parent={"type": "subscription_details", "subscription_details": details, "quote_details": None},
        _days_until_due=subscription["days_until_due"],
    )
    lines = [_line(store, invoice, item, metered) for item in items_of(store, subscription)]
    add_lines(store, invoice, [line for line in lines if line])
    store.update(subscription, latest_invoice=invoice["id"])
    return invoice


def _line(store: Store, invoice: Json, item: Json, metered: dict[str, tuple[int, int]] | None) -> Json | None:
    price = store.get("price", item["price"])
    start_at, end_at = item["current_period_start"], item["current_period_end"]
    if price["recurring"]["usage_type"] == "metered":
        if metered is None:
            return None
        start_at, end_at = metered[item["id"]]
        meter = store.get("billing.meter", price["recurring"]["meter"])
        quantity = int(aggregate(store, meter, invoice["customer"], start_at, end_at))
    else:
        quantity = item["quantity"]
    name = store.get("product", price["product"])["name"]
    return new_line(
        invoice,
        amount=amount_of(price, quantity),
        description=f"{quantity} x {name}",
        parent=subscription_parent(item),
        period={"start": start_at, "end": end_at},
        pricing={
            "price_details": {"price": price["id"], "product": price["product"]},
            "type": "price_details",
            "unit_amount_decimal": price["unit_amount_decimal"],
        },
        quantity=quantity,
        subscription=item["subscription"],
        _tax_rates=[rate["id"] for rate in item["tax_rates"]],
    )


def amount_of(price: Json, quantity: int) -> int:
    """Return the price of a quantity, in minor units, rounded half-up."""
    if price["billing_scheme"] == "per_unit":
        return _rounded(Decimal(price["unit_amount_decimal"]) * quantity)
    total, below = Decimal(0), 0
    for tier in price["_tiers"]:
        top = quantity if tier["up_to"] is None else min(quantity, tier["up_to"])
        unit, flat = Decimal(tier["unit_amount_decimal"] or 0), tier["flat_amount"] or 0
        if price["tiers_mode"] == "volume":
            if tier["up_to"] is None or quantity <= tier["up_to"]:
                return _rounded(unit * quantity + flat)
        elif top > below:
            total += unit * (top - below) + flat
        below = max(below, top)
    return _rounded(total)


def _rounded(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), ROUND_HALF_UP))
