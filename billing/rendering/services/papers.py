"""Receipts and statements of account as PDF, from their content alone. They state that they are not tax documents."""

from collections.abc import Sequence
from typing import Final

from billing.rendering.services import wording
from billing.rendering.services.direction import isolated
from billing.rendering.services.documents import heading, party, write_pages
from billing.rendering.services.fonts import Style
from billing.rendering.services.language import Language, language_of
from billing.rendering.services.layout import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    Align,
    Beside,
    Block,
    Cell,
    Row,
    height_of,
    paginate,
)
from billing.rendering.services.wording import Content

_CLOSING: Final = (
    "This receipt confirms a payment. It is no invoice and no document for tax; it says how the payment stands on"
    " {day}."
)
_GREY: Final = "#55534d"
_BODY: Final = Style(18)
_STRONG: Final = Style(18, is_bold=True)
_LABEL: Final = Style(15, colour=_GREY)
_SMALL: Final = _LABEL
_HEAD: Final = Style(15, is_bold=True, colour=_GREY)
_DUE: Final = Style(22, is_bold=True)
_HALF: Final = 250
_FACTS_LEFT: Final = 340
_FACTS_VALUES: Final = 424
# The columns of a statement: their left ends and widths.
_DAY: Final = (LEFT, 84)
_WHAT: Final = (LEFT + 90, 126)
_DOCUMENT: Final = (LEFT + 222, 110)
_AMOUNT: Final = (RIGHT - 146, 70)
_BALANCE: Final = (RIGHT - 70, 70)


def render_receipt(content: Content, logo: bytes | None = None) -> bytes:
    """Return the PDF of a `receipt_content`."""
    said = language_of(content)
    title = said.say("Receipt")
    facts = [
        ("Reference", content["number"]),
        ("Received on", said.day(content["received_on"])),
        ("Method", said.say(content["method"])),
    ]
    closing = said.say(_CLOSING, day=said.day(content["issued_on"]))
    rows: list[Block] = [
        *_opening(content, logo, title, said.say("Received from"), facts),
        _sum_row(said.say("Amount received"), content["amount_minor"], content, _DUE, has_rule=True),
    ]
    for paid in content["pays"]:
        amount = said.money(paid["amount_minor"], content["currency"])
        words = said.say("Pays invoice {number}", number=paid["number"])
        if paid["amount_minor"] != paid["total_minor"]:
            total = said.money(paid["total_minor"], content["currency"])
            amount = said.say("{amount} of {total}", amount=amount, total=total)
        rows.append(_pair(words, amount, _BODY))
    for name, words in (
        ("refunded_minor", "Given back to you"),
        ("unallocated_minor", "Not allocated to an invoice: it is yours"),
    ):
        if content[name]:
            rows.append(_sum_row(said.say(words), content[name], content, _BODY))
    rows.append(Row([Cell(LEFT, RIGHT - LEFT, [(closing, _SMALL)])], space_above=22))
    return write_pages(content, title=title, subject=content["number"], pages=[rows])


def render_statement(content: Content, logo: bytes | None = None) -> bytes:
    """Return the PDF of a `statement_content`."""
    said = language_of(content)
    title, days = said.say("Statement of account"), said.days(content["period"])
    facts = [("Period", days), ("Issue date", said.day(content["issued_on"]))]
    opening = _opening(content, logo, title, said.say("Account of"), facts)
    running = Row(
        [Cell(LEFT, RIGHT - LEFT, [(f"{title} · {days} · {isolated(content['issuer']['legal_name'])}", _SMALL)])],
        space_below=12,
    )
    groups = [group for account in content["accounts"] for group in _account(account, content, said)]
    if not groups:
        groups = [[Row([Cell(LEFT, RIGHT - LEFT, [(said.say("Nothing happened in these days."), _BODY)])])]]
    words = said.say("This statement is no invoice. A balance below 0 is in your favour.")
    tail = [Row([Cell(LEFT, RIGHT - LEFT, [(words, _SMALL)])], space_above=22)]
    room = TOP - BOTTOM
    shared = paginate(groups, tail, first=room - height_of(opening), following=room - running.height)
    pages: list[list[Block]] = [[*([running] if number else opening), *rows] for number, rows in enumerate(shared)]
    return write_pages(content, title=title, subject=days, pages=pages)


def _opening(
    content: Content, logo: bytes | None, title: str, label: str, facts: Sequence[tuple[str, str]]
) -> list[Block]:
    said = language_of(content)
    customer = party(wording.address(content["customer"], said))
    named = [
        Row(
            [
                Cell(_FACTS_LEFT, 80, [(said.say(name), _LABEL)]),
                Cell(_FACTS_VALUES, RIGHT - _FACTS_VALUES, [(value, _BODY)]),
            ]
        )
        for name, value in facts
    ]
    return [
        heading(title, party(wording.address(content["issuer"], said)), logo),
        Beside([[Row([Cell(LEFT, _HALF, [(label, _LABEL), *customer])])], named], space_below=22),
    ]


def _account(account: Content, content: Content, said: Language) -> list[list[Row]]:
    """Return the rows of one currency in groups: head and first row, then each alone, last row and balance."""
    currency, period = account["currency"], content["period"]
    heads = (
        said.say("Day"), said.say("Description"), said.say("Document"),
        said.say("Amount ({currency})", currency=currency), said.say("Balance ({currency})", currency=currency),
    )  # fmt: skip
    head = _statement_row(heads, _HEAD, space_above=10)
    opening = (
        said.day(period["first_day"]), said.say("Brought forward"), "", "",
        said.amount(account["opening_minor"], currency),
    )  # fmt: skip
    groups = [[head, _statement_row(opening, _BODY, has_rule=True)]]
    for row in account["rows"]:
        texts = (
            said.day(row["day"]), said.say(row["what"]), row["document"],
            said.amount(row["amount_minor"], currency), said.amount(row["balance_minor"], currency),
        )  # fmt: skip
        groups.append([_statement_row(texts, _BODY)])
    words = said.say("Balance on {day}", day=said.day(period["last_day"]))
    closing = said.money(account["closing_minor"], currency)
    groups.append([_pair(words, closing, _STRONG, has_rule=True)])
    return groups


def _statement_row(texts: Sequence[str], style: Style, *, space_above: float = 3, has_rule: bool = False) -> Row:
    day, what, document, amount, balance = texts
    cells = [
        Cell(*_DAY, [(day, style)]),
        Cell(*_WHAT, [(what, style)]),
        Cell(*_DOCUMENT, [(document, style)]),
        Cell(*_AMOUNT, [(amount, style)], Align.RIGHT),
        Cell(*_BALANCE, [(balance, style)], Align.RIGHT),
    ]
    return Row(cells, space_above=space_above, space_below=3, has_rule=has_rule)


def _sum_row(label: str, amount_minor: int, content: Content, style: Style, *, has_rule: bool = False) -> Row:
    return _pair(label, language_of(content).money(amount_minor, content["currency"]), style, has_rule=has_rule)


def _pair(label: str, amount: str, style: Style, *, has_rule: bool = False) -> Row:
    split = RIGHT - 220
    cells = [
        Cell(LEFT, split - LEFT - 6, [(label, style)]),
        Cell(split, RIGHT - split, [(amount, style)], Align.RIGHT),
    ]
    return Row(cells, space_above=5, space_below=4, has_rule=has_rule)
