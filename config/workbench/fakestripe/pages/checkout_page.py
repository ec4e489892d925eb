"""GET and POST /checkout/<session>: what is bought, and the card."""

from html import escape

from config.workbench.fakestripe.checkout import complete_session
from config.workbench.fakestripe.errors import CardDeclinedError, Json
from config.workbench.fakestripe.pages.card_form import typed_expiry
from config.workbench.fakestripe.pages.html import (
    HtmlPage,
    alert,
    button,
    card_fields,
    card_table,
    money,
    page,
    redirect,
)
from config.workbench.fakestripe.store import Store

BUTTONS = {"subscription": "Subscribe", "payment": "Pay", "setup": "Save card"}
HEADINGS = {"subscription": "Subscribe", "payment": "Pay", "setup": "Save a card"}
UNPAID, REFUSED, OVER = 200, 402, 410


def serve_checkout(store: Store, method: str, id_: str, form: Json) -> HtmlPage:
    session = store.get("checkout.session", id_)
    if session["status"] == "complete":
        return redirect(_success_url(session))
    if session["status"] != "open":
        text = "<h1>This checkout has expired</h1><p>Go back to the page you came from, and start again.</p>"
        return page("Expired", text, _back(session), status=OVER)
    if method != "POST":
        return _show(store, session, {})
    try:
        month, year = typed_expiry(form)
        complete_session(
            store,
            session,
            number=str(form.get("number", "")),
            month=month,
            year=year,
            cvc=str(form.get("cvc", "")),
            name=str(form.get("name", "")),
        )
    except CardDeclinedError as refused:
        return _show(store, session, form, problem=str(refused))
    return redirect(_success_url(session))


def _success_url(session: Json) -> str:
    return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", session["id"])


def _back(session: Json) -> str:
    url = session["cancel_url"]
    return f'<p class="back"><a href="{escape(url)}">← Back</a></p>' if url else ""


def _show(store: Store, session: Json, form: Json, problem: str | None = None) -> HtmlPage:
    heading = HEADINGS[session["mode"]]
    content = [
        _back(session),
        f"<h1>{heading}</h1>",
        _lines(session),
        _words(session),
        alert(problem),
        f'<form method="post" action="/checkout/{session["id"]}" autocomplete="off">',
        "<h2>Card</h2>",
        _customer(store, session),
        card_fields(form),
        button(_label(session)),
        "</form>",
        card_table(),
    ]
    return page(heading, *content, status=REFUSED if problem else UNPAID)


def _label(session: Json) -> str:
    if session["amount_total"]:
        return f"Pay {money(session['amount_total'], session['currency'])}"
    return BUTTONS[session["mode"]]


def _lines(session: Json) -> str:
    if not session["_line_items"]:
        return ""
    rows = "".join(
        f"<tr><td>{escape(line['description'])}</td>"
        f'<td class="amount">{money(line["amount_total"], line["currency"])}{_interval(line["price"])}</td></tr>'
        for line in session["_line_items"]
    )
    total = money(session["amount_total"], session["currency"])
    return (
        '<table class="lines"><caption>What you agree to</caption>'
        '<thead><tr><th scope="col">Item</th><th scope="col" class="amount">Price</th></tr></thead>'
        f"<tbody>{rows}</tbody>"
        f'<tfoot><tr><th scope="row">Due today</th><td class="amount">{total}</td></tr></tfoot></table>'
    )


def _interval(price: Json) -> str:
    recurring = price["recurring"]
    if not recurring:
        return ""
    count = recurring["interval_count"]
    return f" every {count} {recurring['interval']}s" if count > 1 else f" per {recurring['interval']}"


def _words(session: Json) -> str:
    text = session["custom_text"]["submit"]
    return f'<p class="words">{escape(text["message"])}</p>' if text else ""


def _customer(store: Store, session: Json) -> str:
    email = session["customer_email"]
    if session["customer"]:
        email = store.get("customer", session["customer"]).get("email")
    return f'<p class="who">For {escape(email)}</p>' if email else ""
