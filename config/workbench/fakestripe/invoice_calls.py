"""The calls on invoices, invoice items and invoice payments."""

from typing import Any

from config.workbench.fakestripe.customers import live_customer
from config.workbench.fakestripe.errors import Json, invalid, missing
from config.workbench.fakestripe.events import change, emit
from config.workbench.fakestripe.invoice_shapes import add_lines, add_up, item_parent, new_invoice, new_line
from config.workbench.fakestripe.invoices import (
    FINALIZES_AFTER_SECONDS,
    close,
    finalize,
    mark_paid,
    pay_with,
    require_status,
)
from config.workbench.fakestripe.lists import page
from config.workbench.fakestripe.parameters import choice, flag, merged_metadata, number, required, text
from config.workbench.fakestripe.rendering import list_of, render
from config.workbench.fakestripe.store import Store

COLLECTION_METHODS = ("charge_automatically", "send_invoice")


def create_invoice(store: Store, parameters: Json) -> Json:
    customer = live_customer(store, required(parameters, "customer"), "customer")
    method = choice(parameters, "collection_method", COLLECTION_METHODS, "charge_automatically")
    due_date, days = number(parameters, "due_date"), number(parameters, "days_until_due")
    if method == "charge_automatically" and (due_date or days is not None):
        raise invalid(
            "`days_until_due` and `due_date` are for invoices with `collection_method=send_invoice`.", "due_date"
        )
    if method == "send_invoice" and not due_date and days is None:
        raise invalid("You must pass either `days_until_due` or `due_date` with `send_invoice`.", "days_until_due")
    is_automatic = flag(parameters, "auto_advance", default=False)
    card = text(parameters, "default_payment_method")
    if card:
        store.get("payment_method", card, "default_payment_method")
    invoice = new_invoice(
        store,
        customer,
        currency=(text(parameters, "currency") or customer["currency"] or store.account["currency"]).lower(),
        billing_reason="manual",
        auto_advance=is_automatic,
        automatically_finalizes_at=store.now() + FINALIZES_AFTER_SECONDS if is_automatic else None,
        collection_method=method,
        default_payment_method=card,
        default_tax_rates=_tax_rates(store, parameters.get("default_tax_rates")),
        description=text(parameters, "description"),
        due_date=due_date,
        footer=text(parameters, "footer"),
        metadata=merged_metadata({}, parameters),
        number=text(parameters, "number"),
        payment_settings=_payment_settings(parameters),
        _days_until_due=days,
    )
    if choice(parameters, "pending_invoice_items_behavior", ("exclude", "include"), "exclude") == "include":
        for item in store.all("invoiceitem", customer=customer["id"], invoice=None, currency=invoice["currency"]):
            _take_item(store, invoice, item)
    emit(store, "invoice.created", invoice)
    return invoice


def update_invoice(store: Store, parameters: Json, id_: str) -> Json:
    invoice = store.get("invoice", id_)
    fields: Json = {"metadata": merged_metadata(invoice["metadata"], parameters)}
    if "auto_advance" in parameters:
        fields["auto_advance"] = flag(parameters, "auto_advance", default=False)
    if "default_payment_method" in parameters:
        fields["default_payment_method"] = text(parameters, "default_payment_method")
    for name in ("description", "footer"):
        if name in parameters:
            require_status(invoice, "draft", verb="update")
            fields[name] = text(parameters, name)
    for name in ("due_date", "days_until_due"):
        if name in parameters:
            fields["due_date" if name == "due_date" else "_days_until_due"] = number(parameters, name)
    if "collection_method" in parameters:
        require_status(invoice, "draft", verb="update")
        fields["collection_method"] = choice(parameters, "collection_method", COLLECTION_METHODS)
    return change(store, "invoice.updated", invoice, **fields)


def retrieve_invoice(store: Store, _parameters: Json, id_: str) -> Json:
    return store.get("invoice", id_)


def list_invoices(store: Store, parameters: Json) -> Json:
    wanted = dict(parameters)
    found = store.all("invoice")
    if subscription := wanted.pop("subscription", None):
        found = [item for item in found if _subscription_of(item) == subscription]
    return page(store, "invoice", wanted, url="/v1/invoices", items=found)


def delete_invoice(store: Store, _parameters: Json, id_: str) -> Json:
    invoice = store.get("invoice", id_)
    require_status(invoice, "draft", verb="delete")
    emit(store, "invoice.deleted", invoice)
    for item in store.all("invoiceitem", invoice=id_):
        store.update(item, invoice=None)
    store.remove("invoice", id_)
    return {"id": id_, "object": "invoice", "deleted": True}


def finalize_invoice(store: Store, parameters: Json, id_: str) -> Json:
    invoice = store.get("invoice", id_)
    if "auto_advance" in parameters:
        store.update(invoice, auto_advance=flag(parameters, "auto_advance", default=False))
    finalize(store, invoice)
    return invoice


def pay_invoice(store: Store, parameters: Json, id_: str) -> Json:
    invoice = store.get("invoice", id_)
    if invoice["status"] == "draft":
        finalize(store, invoice)
        if invoice["status"] == "paid":
            return invoice
    if flag(parameters, "paid_out_of_band", default=False):
        require_status(invoice, "open", "uncollectible", verb="pay")
        mark_paid(store, invoice, out_of_band=True)
        return invoice
    pay_with(store, invoice, text(parameters, "payment_method"))
    return invoice


def send_invoice(store: Store, _parameters: Json, id_: str) -> Json:
    invoice = store.get("invoice", id_)
    if invoice["collection_method"] != "send_invoice":
        raise invalid("You can only manually send an invoice if its collection method is 'send_invoice'.", "invoice")
    if invoice["status"] == "draft":
        finalize(store, invoice)
    emit(store, "invoice.sent", invoice)
    return invoice


def void_invoice(store: Store, _parameters: Json, id_: str) -> Json:
    invoice = store.get("invoice", id_)
    require_status(invoice, "open", "uncollectible", verb="void")
    close(store, invoice, status="void", transition="voided_at", event="invoice.voided")
    return invoice


def mark_invoice_uncollectible(store: Store, _parameters: Json, id_: str) -> Json:
    invoice = store.get("invoice", id_)
    require_status(invoice, "open", verb="mark uncollectible")
    transition, event = "marked_uncollectible_at", "invoice.marked_uncollectible"
    close(store, invoice, status="uncollectible", transition=transition, event=event)
    return invoice


def add_invoice_lines(store: Store, parameters: Json, id_: str) -> Json:
    invoice = store.get("invoice", id_)
    require_status(invoice, "draft", verb="update")
    for given in required(parameters, "lines"):
        create_invoice_item(
            store, {**given, "customer": invoice["customer"], "invoice": id_, "currency": invoice["currency"]}
        )
    return invoice


def list_invoice_lines(store: Store, parameters: Json, id_: str) -> Json:
    """List the lines in the order of the invoice, unlike other lists."""
    lines = store.get("invoice", id_)["lines"]["data"]
    limit = number(parameters, "limit", 10) or 10
    ids = [line["id"] for line in lines]
    after = parameters.get("starting_after")
    start = ids.index(after) + 1 if after in ids else 0
    return list_of(f"/v1/invoices/{id_}/lines", lines[start : start + limit], has_more=len(lines) > start + limit)


def _subscription_of(invoice: Json) -> Any:
    return ((invoice["parent"] or {}).get("subscription_details") or {}).get("subscription")


def _payment_settings(parameters: Json) -> Json:
    given = parameters.get("payment_settings") or {}
    return {"default_mandate": None, "payment_method_options": None, "payment_method_types": None} | given


def _tax_rates(store: Store, ids: Any) -> list[Json]:
    return [render(store, store.get("tax_rate", id_, "default_tax_rates")) for id_ in ids or []]


# Invoice items


def create_invoice_item(store: Store, parameters: Json) -> Json:
    invoice = store.get("invoice", parameters["invoice"], "invoice") if parameters.get("invoice") else None
    customer_id = text(parameters, "customer") or (invoice and invoice["customer"])
    if customer_id is None:
        raise missing("customer")
    customer = live_customer(store, customer_id, "customer")
    if invoice is not None:
        if invoice["customer"] != customer["id"]:
            raise invalid("The invoice belongs to another customer.", "invoice")
        require_status(invoice, "draft", verb="update")
    currency = (
        text(parameters, "currency") or (invoice["currency"] if invoice else required(parameters, "currency"))
    ).lower()
    if invoice is not None and currency != invoice["currency"]:
        raise invalid(
            f"The currency of the invoice item must be that of the invoice ({invoice['currency']}).", "currency"
        )
    item = _new_item(store, parameters, customer, currency)
    emit(store, "invoiceitem.created", item)
    if invoice is not None:
        _take_item(store, invoice, item)
    return item


def _new_item(store: Store, parameters: Json, customer: Json, currency: str) -> Json:
    quantity, amount, pricing = _amount(store, parameters)
    now = store.now()
    period = parameters.get("period") or {}
    return store.add(
        "invoiceitem",
        amount=amount,
        currency=currency,
        customer=customer["id"],
        customer_account=None,
        date=now,
        description=text(parameters, "description"),
        discountable=flag(parameters, "discountable", default=True),
        discounts=[],
        invoice=None,
        metadata=merged_metadata({}, parameters),
        net_amount=amount,
        parent=None,
        period={"start": number(period, "start", now), "end": number(period, "end", now)},
        pricing=pricing,
        proration=False,
        quantity=quantity,
        quantity_decimal=str(quantity),
        tax_rates=_tax_rates(store, parameters.get("tax_rates")),
        test_clock=None,
    )


def _amount(store: Store, parameters: Json) -> tuple[int, int, Json | None]:
    """Return quantity, amount and pricing of an item: a plain amount, or a quantity of a price."""
    quantity = number(parameters, "quantity", 1)
    assert quantity is not None
    amount = number(parameters, "amount")
    if amount is not None:
        return 1, amount, None
    named = (parameters.get("pricing") or {}).get("price")
    if not named:
        raise missing("amount")
    price = store.get("price", named, "pricing[price]")
    details = {"price": price["id"], "product": price["product"]}
    pricing = {"price_details": details, "type": "price_details", "unit_amount_decimal": price["unit_amount_decimal"]}
    return quantity, quantity * (price["unit_amount"] or 0), pricing


def _take_item(store: Store, invoice: Json, item: Json) -> None:
    store.update(item, invoice=invoice["id"])
    line = new_line(
        invoice,
        amount=item["amount"],
        description=item["description"],
        parent=item_parent(item),
        period=item["period"],
        pricing=item["pricing"],
        quantity=item["quantity"],
        metadata=item["metadata"],
        _tax_rates=[rate["id"] for rate in item["tax_rates"]],
    )
    add_lines(store, invoice, [line])


def delete_invoice_item(store: Store, _parameters: Json, id_: str) -> Json:
    item = store.get("invoiceitem", id_)
    if item["invoice"]:
        invoice = store.get("invoice", item["invoice"])
        require_status(invoice, "draft", verb="update")
        kept = [line for line in invoice["lines"]["data"] if (_item_of(line) != id_)]
        store.update(invoice, lines=invoice["lines"] | {"data": kept})
        add_up(store, invoice)
    store.remove("invoiceitem", id_)
    emit(store, "invoiceitem.deleted", item)
    return {"id": id_, "object": "invoiceitem", "deleted": True}


def _item_of(line: Json) -> Any:
    return ((line["parent"] or {}).get("invoice_item_details") or {}).get("invoice_item")


def retrieve_invoice_item(store: Store, _parameters: Json, id_: str) -> Json:
    return store.get("invoiceitem", id_)


def list_invoice_items(store: Store, parameters: Json) -> Json:
    wanted = dict(parameters)
    found = store.all("invoiceitem")
    if "pending" in wanted:
        is_pending = flag({"pending": wanted.pop("pending")}, "pending", default=True)
        found = [item for item in found if (item["invoice"] is None) == is_pending]
    return page(store, "invoiceitem", wanted, url="/v1/invoiceitems", items=found)


# Invoice payments


def retrieve_invoice_payment(store: Store, _parameters: Json, id_: str) -> Json:
    return store.get("invoice_payment", id_)


def list_invoice_payments(store: Store, parameters: Json) -> Json:
    return page(store, "invoice_payment", parameters, url="/v1/invoice_payments")
