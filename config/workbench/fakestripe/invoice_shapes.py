"""The shape of an invoice and its lines, and their sums."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from config.workbench.fakestripe.errors import Json
from config.workbench.fakestripe.rendering import list_of, render
from config.workbench.fakestripe.store import Store

# The fields of a draft that are null, zero and an empty list.
NULL_FIELDS = (
    "account_tax_ids",
    "application",
    "automatically_finalizes_at",
    "custom_fields",
    "customer_account",
    "default_payment_method",
    "default_source",
    "description",
    "due_date",
    "effective_at",
    "ending_balance",
    "footer",
    "from_invoice",
    "hosted_invoice_url",
    "invoice_pdf",
    "last_finalization_error",
    "latest_revision",
    "next_payment_attempt",
    "number",
    "on_behalf_of",
    "parent",
    "receipt_number",
    "rendering",
    "shipping_cost",
    "shipping_details",
    "statement_descriptor",
    "test_clock",
    "threshold_reason",
    "webhooks_delivered_at",
    "_days_until_due",
)
ZERO_FIELDS = (
    "amount_due",
    "amount_overpaid",
    "amount_paid",
    "amount_paid_off_stripe",
    "amount_remaining",
    "amount_shipping",
    "attempt_count",
    "post_payment_credit_notes_amount",
    "pre_payment_credit_notes_amount",
    "starting_balance",
    "subtotal",
    "subtotal_excluding_tax",
    "total",
    "total_excluding_tax",
)
LIST_FIELDS = (
    "customer_tax_ids",
    "default_tax_rates",
    "discounts",
    "total_discount_amounts",
    "total_pretax_credit_amounts",
    "total_taxes",
)


def new_invoice(store: Store, customer: Json, *, currency: str, billing_reason: str, **given: Any) -> Json:
    """Create a draft without lines."""
    now = store.now()
    fields: Json = {
        **dict.fromkeys(NULL_FIELDS),
        **dict.fromkeys(ZERO_FIELDS, 0),
        **{name: [] for name in LIST_FIELDS},
        "account_country": store.account["country"],
        "account_name": store.account["name"],
        "attempted": False,
        "auto_advance": False,
        "automatic_tax": {
            "disabled_reason": None,
            "enabled": False,
            "liability": None,
            "provider": None,
            "status": None,
        },
        "billing_reason": billing_reason,
        "collection_method": "charge_automatically",
        "currency": currency,
        "customer": customer["id"],
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_shipping": customer["shipping"],
        "customer_tax_exempt": customer["tax_exempt"],
        "issuer": {"type": "self"},
        "lines": list_of("", []),
        "metadata": {},
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "period_end": now,
        "period_start": now,
        "status": "draft",
        "status_transitions": dict.fromkeys(("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at")),
    }
    invoice = store.add("invoice", **{**fields, **given})
    store.update(invoice, lines=list_of(f"/v1/invoices/{invoice['id']}/lines", []))
    return invoice


def new_line(invoice: Json, *, amount: int, description: str | None, parent: Json, **given: Any) -> Json:
    """Create one line of an invoice."""
    fields: Json = {
        "id": "il" + Store.new_id("invoiceitem")[2:],
        "object": "line_item",
        "amount": amount,
        "currency": invoice["currency"],
        "description": description,
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": invoice["id"],
        "livemode": False,
        "metadata": {},
        "parent": parent,
        "period": {"start": invoice["period_start"], "end": invoice["period_end"]},
        "pretax_credit_amounts": [],
        "pricing": None,
        "quantity": 1,
        "subscription": None,
        "subtotal": amount,
        "taxes": [],
        "_tax_rates": [],
    }
    return {**fields, **given}


def add_lines(store: Store, invoice: Json, lines: list[Json]) -> None:
    """Add lines to a draft and compute its sums again."""
    whole = invoice["lines"]
    store.update(invoice, lines=whole | {"data": whole["data"] + lines})
    add_up(store, invoice)


def add_up(store: Store, invoice: Json) -> None:
    """Compute totals and taxes from the lines."""
    lines = [_taxed(store, line, invoice["default_tax_rates"]) for line in invoice["lines"]["data"]]
    subtotal = sum(line["amount"] for line in lines)
    taxes = [tax for line in lines for tax in line["taxes"]]
    tax_on_top = sum(tax["amount"] for tax in taxes if tax["tax_behavior"] == "exclusive")
    tax_within = sum(tax["amount"] for tax in taxes if tax["tax_behavior"] == "inclusive")
    total = subtotal + tax_on_top
    due = max(0, total)
    store.update(
        invoice,
        lines=invoice["lines"] | {"data": lines},
        subtotal=subtotal,
        subtotal_excluding_tax=subtotal - tax_within,
        total=total,
        total_excluding_tax=subtotal - tax_within,
        total_taxes=taxes,
        amount_due=due,
        amount_remaining=due - invoice["amount_paid"],
    )


def _taxed(store: Store, line: Json, default_rates: list[Json]) -> Json:
    rates = [render(store, store.get("tax_rate", rate)) for rate in line["_tax_rates"]] or default_rates
    return {**line, "taxes": [_tax(line["amount"], rate) for rate in rates]}


def _tax(amount: int, rate: Json) -> Json:
    percent = Decimal(str(rate["percentage"]))
    share = percent / (100 + percent) if rate["inclusive"] else percent / 100
    return {
        "amount": int((amount * share).quantize(Decimal(1), ROUND_HALF_UP)),
        "tax_behavior": "inclusive" if rate["inclusive"] else "exclusive",
        "tax_rate_details": {"tax_rate": rate["id"]},
        "taxability_reason": "not_available",
        "taxable_amount": amount,
        "type": "tax_rate_details",
    }


def item_parent(item: Json) -> Json:
    """Return the parent of a line that comes from an invoice item."""
    details = {"invoice_item": item["id"], "proration": False, "proration_details": None, "subscription": None}
    return {"type": "invoice_item_details", "invoice_item_details": details, "subscription_item_details": None}


def subscription_parent(item: Json) -> Json:
    """Return the parent of a line that comes from a subscription item."""
    details = {
        "invoice_item": None,
        "proration": False,
        "proration_details": None,
        "subscription": item["subscription"],
        "subscription_item": item["id"],
    }
    return {"type": "subscription_item_details", "invoice_item_details": None, "subscription_item_details": details}
