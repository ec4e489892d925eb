"""GET and POST /portal/<session>: the customer's cards and subscriptions."""

from html import escape

from config.workbench.fakestripe.errors import CardDeclinedError, Json
from config.workbench.fakestripe.events import change
from config.workbench.fakestripe.pages.card_form import typed_card
from config.workbench.fakestripe.pages.html import (
    HtmlPage,
    action,
    alert,
    button,
    card_fields,
    card_table,
    day,
    money,
    page,
    redirect,
)
from config.workbench.fakestripe.payment_methods import add_card, attach, detach_payment_method
from config.workbench.fakestripe.store import Store
from config.workbench.fakestripe.subscriptions import LIVE, ends_at, items_of, keep, schedule_cancellation

REFUSED = 402


def serve_portal(store: Store, method: str, id_: str, form: Json) -> HtmlPage:
    session = store.get("billing_portal.session", id_)
    customer = store.get("customer", session["customer"])
    if method != "POST":
        return _show(store, session, customer, {}, None)
    if form.get("do") == "add":
        try:
            _add_card(store, customer, form)
        except CardDeclinedError as refused:
            return _show(store, session, customer, form, str(refused))
    else:
        _act(store, customer, str(form.get("do")), str(form.get("id")))
    return redirect(f"/portal/{id_}")


def _add_card(store: Store, customer: Json, form: Json) -> None:
    """Add a card. It becomes the default one if there was none, or if the customer chose so."""
    card, month, year = typed_card(form, as_of=store.now())
    billing = {"name": form.get("name") or None, "email": customer["email"]}
    method = attach(store, add_card(store, card, month, year, {"billing_details": billing}), customer)
    has_default = customer["invoice_settings"]["default_payment_method"] is not None
    if form.get("default") == "on" or not has_default:
        _make_default(store, customer, method["id"])


def _make_default(store: Store, customer: Json, method_id: str) -> None:
    settings = customer["invoice_settings"] | {"default_payment_method": method_id}
    change(store, "customer.updated", customer, invoice_settings=settings)
    for subscription in _live(store, customer):
        # Otherwise the card that checkout set would be charged instead of the customer's default.
        if subscription["default_payment_method"]:
            change(store, "customer.subscription.updated", subscription, default_payment_method=method_id)


def _act(store: Store, customer: Json, verb: str, id_: str) -> None:
    if verb in {"default", "remove"}:
        method = store.get("payment_method", id_)
        if method["customer"] != customer["id"]:
            return
        if verb == "default":
            _make_default(store, customer, id_)
        else:
            detach_payment_method(store, {}, id_)
    subscription = store.objects["subscription"].get(id_)
    if subscription is not None and subscription["customer"] == customer["id"] and subscription["status"] in LIVE:
        if verb == "cancel":
            schedule_cancellation(store, subscription, by_portal=True)
        elif verb == "renew":
            keep(store, subscription)


def _live(store: Store, customer: Json) -> list[Json]:
    return [item for item in store.all("subscription", customer=customer["id"]) if item["status"] in LIVE]


def _show(store: Store, session: Json, customer: Json, form: Json, problem: str | None) -> HtmlPage:
    url = f"/portal/{session['id']}"
    content = [
        _back(session),
        "<h1>Billing</h1>",
        f'<p class="who">{escape(customer["name"] or customer["email"] or customer["id"])}</p>',
        "<h2>Subscriptions</h2>",
        "".join(_subscription(store, item, url) for item in _live(store, customer)) or "<p>None.</p>",
        "<h2>Cards</h2>",
        _cards(store, customer, url),
        alert(problem),
        f'<form method="post" action="{url}" autocomplete="off"><h2>Add a card</h2>',
        '<input type="hidden" name="do" value="add">',
        card_fields(form),
        (
            '<p class="check"><input type="checkbox" id="default" name="default" checked>'
            ' <label for="default">Use it for payments from now on</label></p>'
        ),
        button("Add card"),
        "</form>",
        card_table(),
    ]
    return page("Billing", *content, status=REFUSED if problem else 200)


def _back(session: Json) -> str:
    url = session["return_url"]
    return f'<p class="back"><a href="{escape(url)}">← Return</a></p>' if url else ""


def _subscription(store: Store, subscription: Json, url: str) -> str:
    names = []
    for item in items_of(store, subscription):
        price = store.get("price", item["price"])
        names.append(
            f"{store.get('product', price['product'])['name']}: {money(price['unit_amount'], price['currency'])}"
        )
    end = day(subscription["cancel_at"] or ends_at(store, subscription))
    if subscription["cancel_at"]:
        state, control = f"Ends on {end}.", action(url, "Renew subscription", do="renew", id=subscription["id"])
    else:
        state = f"Renews on {end}."
        control = action(url, "Cancel subscription", do="cancel", id=subscription["id"])
    status = subscription["status"].replace("_", " ")
    return (
        f'<section class="box"><h3>{escape(", ".join(names))}</h3><p>{status.capitalize()}. '
        f"{state}</p>{control}</section>"
    )


def _cards(store: Store, customer: Json, url: str) -> str:
    default = customer["invoice_settings"]["default_payment_method"]
    rows = []
    for method in store.all("payment_method", customer=customer["id"]):
        card = method["card"]
        name = f"{card['brand'].capitalize()} •••• {card['last4']}"
        controls = "" if method["id"] == default else action(url, "Make default", do="default", id=method["id"])
        controls += action(url, f"Remove {name}", do="remove", id=method["id"])
        badge = " <strong>default</strong>" if method["id"] == default else ""
        expiry = f"{card['exp_month']:02d} / {card['exp_year']}"
        rows.append(f'<li class="box"><p>{name}{badge}, expires {expiry}</p><div class="row">{controls}</div></li>')
    return f'<ul class="plain">{"".join(rows)}</ul>' if rows else "<p>None yet.</p>"
