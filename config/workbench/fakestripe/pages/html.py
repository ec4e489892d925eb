"""The frame of every page, and the parts that pages share."""

import dataclasses
from datetime import UTC, datetime
from decimal import Decimal
from html import escape

from config.workbench.fakestripe.cards import CARDS
from config.workbench.fakestripe.errors import Json

# ISO 4217: how many digits the minor unit has, if not two.
DIGITS = {"jpy": 0, "krw": 0, "vnd": 0, "clp": 0, "bhd": 3, "kwd": 3, "jod": 3, "omr": 3, "tnd": 3}


@dataclasses.dataclass(frozen=True)
class HtmlPage:
    """A response to a browser."""

    body: bytes = b""
    status: int = 200
    content_type: str = "text/html; charset=utf-8"
    location: str = ""


def page(title: str, *content: str, status: int = 200, site: str = "Fake Stripe") -> HtmlPage:
    """Render a whole page."""
    html = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{escape(title)} · {site}</title>
<link rel="stylesheet" href="/style.css">
<link rel="icon" href="data:,">
</head>
<body>
<header><p class="banner"><strong>{site}</strong> — no real money. Never type a real card here.</p></header>
<main>
{"".join(content)}
</main>
</body>
</html>
"""
    return HtmlPage(html.encode(), status)


def redirect(location: str) -> HtmlPage:
    """Redirect with GET."""
    return HtmlPage(status=303, location=location)


def not_found() -> HtmlPage:
    text = "<h1>This page does not exist</h1><p>The link is wrong, or the fake Stripe was reset.</p>"
    return page("Not found", text, status=404)


def money(amount: int | None, currency: str | None) -> str:
    """Return an amount of minor units as text for people."""
    if amount is None or currency is None:
        return ""
    digits = DIGITS.get(currency, 2)
    return f"{currency.upper()} {Decimal(amount).scaleb(-digits):,.{digits}f}"


def day(timestamp: int) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime("%-d %B %Y")


def alert(message: str | None) -> str:
    """Render what went wrong, announced to screen readers too."""
    return f'<p class="alert" role="alert" id="problem">{escape(message)}</p>' if message else ""


def notice(message: str | None) -> str:
    return f'<p class="notice" role="status">{escape(message)}</p>' if message else ""


def button(label: str, *, kind: str = "primary") -> str:
    return f'<button type="submit" class="{kind}">{escape(label)}</button>'


def action(url: str, label: str, **fields: str) -> str:
    """Render a form with only a button."""
    hidden = "".join(f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in fields.items())
    return f'<form method="post" action="{escape(url)}">{hidden}{button(label, kind="secondary")}</form>'


def card_fields(form: Json) -> str:
    """Render the fields of a card, with what was typed before."""
    return "".join(
        [
            field("number", "Card number", form, autocomplete="cc-number", placeholder="4242 4242 4242 4242"),
            '<div class="row">',
            field("expiry", "Expiry (MM / YY)", form, autocomplete="cc-exp", placeholder="12 / 34"),
            field("cvc", "CVC", form, autocomplete="cc-csc", placeholder="123"),
            "</div>",
            field("name", "Name on card", form, autocomplete="cc-name", is_numeric=False),
        ]
    )


def field(
    name: str, label: str, form: Json, *, autocomplete: str, placeholder: str = "", is_numeric: bool = True
) -> str:
    mode = ' inputmode="numeric"' if is_numeric else ""
    value = escape(str(form.get(name, "")))
    return (
        f'<p class="field"><label for="{name}">{escape(label)}</label>'
        f'<input id="{name}" name="{name}" value="{value}" autocomplete="{autocomplete}" required{mode}'
        f' placeholder="{placeholder}"></p>'
    )


def card_table() -> str:
    """Render the test cards, and what each does."""
    rows = "".join(
        f"<tr><td><code>{_spaced(card.number)}</code></td><td>{escape(_meaning(card.number))}</td></tr>"
        for card in CARDS
    )
    return (
        '<details class="cards" open><summary>Test cards</summary>'
        "<p>Any expiry in the future, any CVC, any name.</p>"
        f"<table><thead><tr><th>Number</th><th>What it does</th></tr></thead><tbody>{rows}</tbody></table></details>"
    )


def _spaced(number: str) -> str:
    return " ".join(number[place : place + 4] for place in range(0, len(number), 4))


def _meaning(number: str) -> str:
    card = next(card for card in CARDS if card.number == number)
    if card.refusal is None:
        return f"Pays ({card.brand})"
    if card.is_confirmed_by_customer:
        return "Pays on a page; without its owner the bank asks for a confirmation"
    if card.is_saved_without_complaint:
        return "Is saved, and declined when it is charged"
    why = (card.refusal.decline_code or card.refusal.code).replace("_", " ").replace("cvc", "CVC")
    return "Declined: " + why
