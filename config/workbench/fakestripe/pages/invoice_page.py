"""GET and POST /invoice/<invoice>: the hosted invoice page, on which it can be paid with a card."""

from html import escape

from config.workbench.fakestripe.cards import card_named
from config.workbench.fakestripe.errors import CardDeclinedError, Json
from config.workbench.fakestripe.invoices import attempt
from config.workbench.fakestripe.pages.card_form import typed_card
from config.workbench.fakestripe.pages.html import (
    HtmlPage,
    alert,
    button,
    card_fields,
    card_table,
    day,
    money,
    not_found,
    notice,
    page,
    redirect,
)
from config.workbench.fakestripe.payment_methods import add_card
from config.workbench.fakestripe.store import Store

STATES = {
    "paid": "This invoice is paid.",
    "void": "This invoice was voided. There is nothing to pay.",
    "uncollectible": "This invoice is marked as uncollectible. It can still be paid.",
}
REFUSED = 402


def serve_invoice(store: Store, method: str, id_: str, form: Json) -> HtmlPage:
    invoice = store.get("invoice", id_)
    if invoice["status"] == "draft":
        return not_found()
    if method == "POST" and invoice["status"] in {"open", "uncollectible"}:
        try:
            card, month, year = typed_card(form, as_of=store.now())
        except CardDeclinedError as refused:
            return _show(invoice, form, str(refused))
        billing = {"name": form.get("name") or None, "email": invoice["customer_email"]}
        method_typed = add_card(store, card_named(card.name), month, year, {"billing_details": billing})
        if problem := attempt(store, invoice, method_typed, is_manual=True, is_on_page=True):
            return _show(invoice, form, str(problem))
        return redirect(f"/invoice/{id_}")
    return _show(invoice, {}, None)


def _show(invoice: Json, form: Json, problem: str | None) -> HtmlPage:
    title = f"Invoice {invoice['number']}"
    content = [f"<h1>{escape(title)}</h1>", _facts(invoice), _lines(invoice), notice(STATES.get(invoice["status"]))]
    if invoice["status"] in {"open", "uncollectible"}:
        content += [
            alert(problem),
            f'<form method="post" action="/invoice/{invoice["id"]}" autocomplete="off"><h2>Pay by card</h2>',
            card_fields(form),
            button(f"Pay {money(invoice['amount_remaining'], invoice['currency'])}"),
            "</form>",
            card_table(),
        ]
    return page(title, *content, status=REFUSED if problem else 200)


def _facts(invoice: Json) -> str:
    facts = {
        "From": invoice["account_name"],
        "To": invoice["customer_name"] or invoice["customer_email"] or invoice["customer"],
        "Due": day(invoice["due_date"]) if invoice["due_date"] else None,
        "Amount due": money(invoice["amount_remaining"], invoice["currency"]),
    }
    return (
        "<dl>" + "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts.items() if value) + "</dl>"
    )


def _lines(invoice: Json) -> str:
    rows = "".join(
        f"<tr><td>{escape(line['description'] or 'Item')}</td>"
        f'<td class="amount">{money(line["amount"], line["currency"])}</td></tr>'
        for line in invoice["lines"]["data"]
    )
    tax = invoice["total"] - invoice["total_excluding_tax"]
    taxes = f'<tr><th scope="row">Tax</th><td class="amount">{money(tax, invoice["currency"])}</td></tr>' if tax else ""
    total = money(invoice["total"], invoice["currency"])
    return (
        '<table class="lines"><caption>Lines</caption>'
        '<thead><tr><th scope="col">Item</th><th scope="col" class="amount">Amount</th></tr></thead>'
        f"<tbody>{rows}</tbody>"
        f'<tfoot>{taxes}<tr><th scope="row">Total</th><td class="amount">{total}</td></tr></tfoot></table>'
    )
