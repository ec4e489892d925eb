"""The pages of the fake Paddle: the checkout, and the customer's own page."""

import re
from html import escape
from pathlib import Path
from urllib.parse import urlencode

from config.workbench.fakepaddle import life
from config.workbench.fakepaddle.store import Json, PaddleError, PaddleStore
from config.workbench.fakestripe.errors import CardDeclinedError
from config.workbench.fakestripe.pages import html
from config.workbench.fakestripe.pages.card_form import typed_card
from config.workbench.fakestripe.pages.html import HtmlPage, action, alert, button, card_fields, card_table, money

STYLE = Path(__file__).parent.parent / "fakestripe" / "pages" / "style.css"
TITLE = "Fake Paddle"


class PaddlePages:
    """All pages of one fake."""

    def __init__(self, store: PaddleStore) -> None:
        self.store = store

    def respond(self, method: str, path: str, form: Json) -> HtmlPage:
        """Show a page, or do what its form requests."""
        if path == "/style.css":
            return HtmlPage(STYLE.read_bytes(), content_type="text/css; charset=utf-8")
        if path == "/":
            return _page("Home", "<h1>Fake Paddle</h1><p>Its API is under <code>/</code>, as Paddle's.</p>")
        found = re.fullmatch(r"/portal/(\w+)", path)
        with self.store.lock:
            try:
                if path == "/checkout":
                    return _checkout(self.store, method, str(form.get("_ptxn", "")), form)
                if found:
                    return _portal(self.store, method, found[1], form)
            except PaddleError as error:
                return _page("Problem", f"<h1>That did not work</h1><p>{escape(str(error))}</p>", status=error.status)
            finally:
                self.store.commit()
        return _page("Not found", "<h1>This page does not exist</h1>", status=404)


def _page(title: str, *content: str, status: int = 200) -> HtmlPage:
    return html.page(title, *content, status=status, site=TITLE)


def _checkout(store: PaddleStore, method: str, id_: str, form: Json) -> HtmlPage:
    transaction = store.get("transaction", id_)
    done = str(form.get("done", ""))
    if transaction["status"] in life.PAID:
        return html.redirect(done) if done else _page("Paid", "<h1>Thank you</h1><p>Paddle sends you the receipt.</p>")
    if transaction["status"] == "canceled":
        return _page("Canceled", "<h1>This transaction was canceled</h1>", status=410)
    problem = ""
    if method == "POST":
        try:
            card, month, year = typed_card(form, as_of=store.now())
            problem = life.check_out(store, transaction, card, expiry=(month, year))
        except CardDeclinedError as refused:
            problem = str(refused)
        if not problem:
            return _checkout(store, "GET", id_, form)
    address = f"/checkout?{urlencode({'_ptxn': id_, 'done': done})}"
    content = [
        "<h1>Check out</h1>",
        _lines(transaction),
        '<p class="words">Paddle sells this to you as the merchant of record.</p>',
        alert(problem),
        f'<form method="post" action="{escape(address)}" autocomplete="off">',
        f'<h2>Card</h2><p class="who">For {escape(store.get("customer", transaction["customer_id"])["email"])}</p>',
        card_fields(form),
        button(f"Pay {_money(transaction, 'total')}" if life.total_of(transaction) else "Subscribe"),
        "</form>",
        card_table(),
    ]
    return _page("Check out", *content, status=402 if problem else 200)


def _lines(transaction: Json) -> str:
    rows = "".join(
        f"<tr><td>{escape(line['product']['name'])}<br>"
        f"<small>{escape(line['product']['description'] or '')}</small></td>"
        f'<td class="amount">{_amount(line["totals"]["subtotal"], transaction)}</td></tr>'
        for line in transaction["details"]["line_items"]
    )
    foot = "".join(
        f'<tr><th scope="row">{label}</th><td class="amount">{_money(transaction, name)}</td></tr>'
        for label, name in (("Subtotal", "subtotal"), ("Tax (20 %)", "tax"), ("Due today", "total"))
    )
    return (
        '<table class="lines"><caption>What you buy from Paddle</caption>'
        '<thead><tr><th scope="col">Item</th><th scope="col" class="amount">Price</th></tr></thead>'
        f"<tbody>{rows}</tbody><tfoot>{foot}</tfoot></table>"
    )


def _money(transaction: Json, name: str) -> str:
    return _amount(transaction["details"]["totals"][name], transaction)


def _amount(minor: str, transaction: Json) -> str:
    return money(int(minor), transaction["currency_code"].lower())


def _portal(store: PaddleStore, method: str, customer_id: str, form: Json) -> HtmlPage:
    """Show the customer's subscriptions and receipts; cancel, go on, or change the card."""
    customer = store.get("customer", customer_id)
    problem = ""
    if method == "POST" and "number" in form:
        try:
            card, month, year = typed_card(form, as_of=store.now())
            problem = life.change_card(store, customer_id, card, (month, year))
        except CardDeclinedError as refused:
            problem = str(refused)
    elif method == "POST":
        subscription = store.get("subscription", form.get("id"))
        if form.get("do") == "cancel":
            life.cancel(store, subscription, is_now=False)
        else:
            life.change_subscription(store, subscription, "", scheduled_change=None)
    address = f"/portal/{customer_id}"
    parts = [_subscription(one, address) for one in store.all("subscription", customer_id=customer_id)]
    receipts = "".join(
        f"<tr><td>{escape(one['invoice_number'] or '')}</td><td>{escape(one['status'])}</td>"
        f'<td class="amount">{_money(one, "total")}</td></tr>'
        for one in store.all("transaction", customer_id=customer_id)
    )
    return _page(
        "Your purchases",
        f"<h1>Your purchases</h1><p class='who'>{escape(customer['email'])}</p>",
        *parts,
        "<h2>Card</h2>",
        alert(problem),
        f'<form method="post" action="{address}">{card_fields(form)}{button("Change the card")}</form>',
        f'<table class="lines"><caption>Receipts</caption><tbody>{receipts}</tbody></table>',
        card_table(),
    )


def _subscription(subscription: Json, address: str) -> str:
    is_ending = subscription["scheduled_change"] is not None
    what, label = ("renew", "Do not cancel") if is_ending else ("cancel", "Cancel")
    offered = "" if subscription["status"] == "canceled" else action(address, label, do=what, id=subscription["id"])
    ending = ", ends with its period" if is_ending else ""
    return f"<section><h2>Subscription</h2><p>{escape(subscription['status'])}{ending}</p>{offered}</section>"
