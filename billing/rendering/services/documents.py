"""An invoice or a credit note as a PDF that a finance department accepts, from its stored content alone.

The same content gives the same bytes: no clock, no font of the machine, no order that changes.
"""

from collections.abc import Sequence
from io import BytesIO
from typing import Final

from reportlab.pdfgen.canvas import Canvas

from billing.domain.transfers import creditor_reference, printed_reference, transfer_code
from billing.rendering.services import wording
from billing.rendering.services.direction import isolated
from billing.rendering.services.fonts import Style, base_font, draw, joined, width_of
from billing.rendering.services.language import Language, language_of
from billing.rendering.services.layout import (
    BOTTOM,
    CODE_SIDE,
    LEFT,
    PAGE_HEIGHT,
    PAGE_WIDTH,
    RIGHT,
    TOP,
    Align,
    Beside,
    Block,
    Cell,
    Columns,
    Picture,
    Row,
    Text,
    columns_for,
    draw_rows,
    draw_rule,
    height_of,
    paginate,
)
from billing.rendering.services.transfer_codes import code_as_png
from billing.rendering.services.wording import Content

PRODUCER: Final = "Countinghouse"
_GREY: Final = "#55534d"
_LINK: Final = "#1d4d3a"
_TITLES: Final = tuple(Style(size, is_bold=True) for size in (44, 36, 30))
_NAME: Final = Style(21, is_bold=True)
_BODY: Final = Style(18)
_STRONG: Final = Style(18, is_bold=True)
_LABEL: Final = Style(15, colour=_GREY)
_SMALL: Final = Style(15, colour=_GREY)
_HEAD: Final = Style(15, is_bold=True, colour=_GREY)
_DUE: Final = Style(22, is_bold=True)
_FOOT: Final = Style(14, colour=_GREY)

_FOOT_LINES_MAX: Final = 4
_HALF: Final = 250
_FACTS_LEFT: Final = 340
_FACTS_VALUES: Final = 424
_TOTALS_LEFT: Final = 300
_DESCRIPTION_LEFT: Final = 78
_SCAN: Final = "Scan this code with your banking app."


def render_document(content: Content, logo: bytes | None = None) -> bytes:
    """Return the PDF of an `InvoiceDocument.content` or a `CreditNote.content`.

    `logo` is the stored picture whose SHA-256 the content names.
    """
    title = f"{_title(content)} {content['number']}"
    subject = language_of(content).days(content["period"])
    return write_pages(content, title=title, subject=subject, pages=_pages(content, logo))


def write_pages(content: Content, *, title: str, subject: str, pages: Sequence[Sequence[Block]]) -> bytes:
    """Return the PDF of pages. The foot of each has the issuer, the document's number if any, and the page number."""
    buffer = BytesIO()
    canvas = Canvas(
        buffer,
        pagesize=(PAGE_WIDTH, PAGE_HEIGHT),
        invariant=1,
        initialFontName=base_font(),
        lang=language_of(content).code,
        pageCompression=1,
    )
    canvas.setTitle(title)
    canvas.setAuthor(content["issuer"]["legal_name"])
    canvas.setSubject(subject)
    canvas.setDateFormatter(lambda *_: f"D:{content['issued_on'].replace('-', '')}000000Z")
    canvas.setCreator(PRODUCER)
    canvas.setProducer(PRODUCER)
    for number, rows in enumerate(pages, start=1):
        draw_rows(canvas, rows, TOP)
        page = language_of(content).say("Page {page} of {pages}", page=str(number), pages=str(len(pages)))
        _draw_foot(canvas, content, " · ".join(filter(None, [content.get("number"), page])))
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def _pages(content: Content, logo: bytes | None) -> list[list[Block]]:
    columns = _columns(content)
    opening, running, head = _opening(content, logo), _running(content), _table_head(content, columns)
    first = TOP - BOTTOM - height_of(opening) - head.height
    following = TOP - BOTTOM - running.height - head.height
    groups = [_line_rows(line, content, columns) for line in content["lines"] if not wording.is_settlement(line)]
    pages = paginate(groups, _totals(content), first=first, following=following)
    rows_of_pages: list[list[Block]] = [
        [*(opening if not number else [running]), head, *rows] for number, rows in enumerate(pages)
    ]
    for closing in _closing(content):
        if height_of(rows_of_pages[-1]) + height_of(closing) > TOP - BOTTOM:
            rows_of_pages.append([running])
        rows_of_pages[-1] += closing
    return rows_of_pages


def _title(content: Content) -> str:
    said = language_of(content)
    if _is_statement(content):
        return said.say("Credit to a usage statement" if _is_credit(content) else "Usage statement")
    return said.say("Credit note" if _is_credit(content) else "Invoice")


def _is_statement(content: Content) -> bool:
    """Return whether a merchant of record sold what the document says, so that it is no invoice."""
    return bool(content.get("merchant"))


def _is_credit(content: Content) -> bool:
    return bool(content["kind"] == "credit_note")


def _opening(content: Content, logo: bytes | None) -> list[Block]:
    """Return the head of the first page: seller, buyer and facts."""
    said = language_of(content)
    issuer, customer = wording.address(content["issuer"], said), wording.address(content["customer"], said)
    label = said.say("Credited to" if _is_credit(content) else "Billed to")
    facts = [
        Row([Cell(_FACTS_LEFT, 92, [(name, _LABEL)]), Cell(_FACTS_VALUES, RIGHT - _FACTS_VALUES, [(value, _BODY)])])
        for name, value in _facts(content)
    ]
    return [
        heading(_title(content), party(issuer), logo),
        Beside([[Row([Cell(LEFT, _HALF, [(label, _LABEL), *party(customer)])])], facts], space_below=22),
    ]


def heading(title: str, seller: Sequence[Text], logo: bytes | None) -> Block:
    """Return the top of a first page: the seller, below its logo if it has one, and the document's title."""
    width = RIGHT - _FACTS_LEFT
    style = next((style for style in _TITLES if width_of(title, style) <= width), _TITLES[-1])
    named = Cell(_FACTS_LEFT, width, [(title, style)])
    if logo is None:
        return Row([Cell(LEFT, _HALF, seller), named], space_below=26)
    columns: list[list[Row | Picture]] = [[Picture(logo), Row([Cell(LEFT, _HALF, seller)])], [Row([named])]]
    return Beside(columns, space_below=26)


def party(lines: Sequence[str]) -> list[tuple[str, Style]]:
    """Return the lines of an address, the first one as a name."""
    return [(line, _BODY if position else _NAME) for position, line in enumerate(lines)]


def _facts(content: Content) -> list[tuple[str, str]]:
    said = language_of(content)
    order = [("Purchase order", content["purchase_order"])] if content.get("purchase_order") else []
    if _is_credit(content):
        facts = [
            ("Credit note number", content["number"]),
            ("Issue date", said.day(content["issued_on"])),
            ("Credits statement" if _is_statement(content) else "Credits invoice", content["invoice_number"]),
            (
                "Statement issued" if _is_statement(content) else "Invoice issued",
                said.day(content["invoice_issued_on"]),
            ),
            *order,
            ("Service period", said.days(content["period"])),
            ("Reason", content["reason"]),
            *([("Replaced by", content["replaced_by"])] if "replaced_by" in content else []),
        ]
    else:
        facts = [
            ("Statement number" if _is_statement(content) else "Invoice number", content["number"]),
            *_replaced(content.get("replaces"), said),
            ("Issue date", said.day(content["issued_on"])),
            ("Due date", said.day(content["due_on"])),
            *order,
            ("Service period", said.days(content["period"])),
            ("Time zone", content["time_zone"]),
        ]
    return [(said.say(label), value) for label, value in facts]


def _replaced(replaced: Content | None, said: Language) -> list[tuple[str, str]]:
    """Return the number of the invoice that this one replaces, and of the credit note over it."""
    if replaced is None:
        return []
    of_day = said.say("{number} of {day}", number=replaced["number"], day=said.day(replaced["issued_on"]))
    note = [("Credited by", replaced["credit_note"])] if replaced["credit_note"] else []
    return [("Replaces invoice", of_day), *note]


def _running(content: Content) -> Row:
    """Return the head of the following pages."""
    text = f"{_title(content)} {content['number']} · {isolated(content['issuer']['legal_name'])}"
    return Row([Cell(LEFT, RIGHT - LEFT, [(text, _SMALL)])], space_below=12)


def _columns(content: Content) -> Columns:
    """Return columns that are as wide as the document's numbers need."""
    rows = [_head_texts(content)]
    for line in content["lines"]:
        rows += [_line_texts(line, content), *_step_texts(line, content)]
    return columns_for([row[2:] for row in rows], left=_DESCRIPTION_LEFT)


def _head_texts(content: Content) -> list[Text]:
    said = language_of(content)
    amount = said.say("Amount ({currency})", currency=content["currency"])
    names = (said.say("Description"), said.say("Quantity"), said.say("Unit price"), amount)
    return [(name, _HEAD) for name in ("#", *names)]


def _line_texts(line: Content, content: Content) -> list[Text]:
    said = language_of(content)
    return [
        (str(line["position"]), _SMALL),
        (said.retell(line["description"]), _BODY),
        (wording.quantity(line, said), _BODY),
        (wording.unit_price(line, said), _BODY),
        (said.amount(line["amount_minor"], content["currency"]), _BODY),
    ]


def _step_texts(line: Content, content: Content) -> list[list[Text]]:
    return [
        [(text, _SMALL) for text in ("", step.label, step.quantity, step.unit_price, step.amount)]
        for step in wording.steps_under(line, content["currency"], language_of(content))
    ]


def _table_head(content: Content, columns: Columns) -> Row:
    return _table_row(_head_texts(content), columns, space_below=4)


def _table_row(
    texts: Sequence[Text],
    columns: Columns,
    *,
    under: Text | None = None,
    space_above: float = 0,
    space_below: float = 0,
    has_rule: bool = False,
) -> Row:
    position, description, quantity, price, amount = texts
    descriptions = [description] if under is None else [description, under]
    cells = [
        Cell(LEFT, 20, [position]),
        Cell(*columns.description, descriptions),
        Cell(*columns.quantity, [quantity], Align.RIGHT),
        Cell(*columns.price, [price], Align.RIGHT),
        Cell(*columns.amount, [amount], Align.RIGHT),
    ]
    return Row(cells, space_above=space_above, space_below=space_below, has_rule=has_rule)


def _line_rows(line: Content, content: Content, columns: Columns) -> list[Row]:
    """Return the row of a line with its period, and below it the steps of its amount."""
    under = (wording.days_and_tax(line, content, language_of(content)), _SMALL)
    rows = [_table_row(_line_texts(line, content), columns, under=under, space_above=5, has_rule=True)]
    rows += [_table_row(texts, columns) for texts in _step_texts(line, content)]
    rows.append(Row([], space_below=5))
    return rows


def _totals(content: Content) -> list[Row]:
    """Return the rows of the subtotal, the tax by rate and the amount due."""
    currency, said = content["currency"], language_of(content)
    rows = [_total_row(said.say("Subtotal"), content["subtotal_minor"], content, _BODY, space_above=7, has_rule=True)]
    for tax in content["taxes"]:
        rows.append(_total_row(wording.tax_label(tax, currency, said), tax["amount_minor"], content, _BODY))
        if tax["note"]:
            rows.append(
                Row(
                    [Cell(_TOTALS_LEFT, RIGHT - _TOTALS_LEFT, [(said.retell_sentences(tax["note"]), _SMALL)])],
                    space_below=4,
                )
            )
    own = content.get("issuer_currency")
    if own:
        told = said.money(own["tax_minor"], own["currency"])
        label = "Tax in {currency}: {amount}, at {rates}"
        words = said.say(label, currency=own["currency"], amount=told, rates=own["words"])
        rows.append(Row([Cell(_TOTALS_LEFT, RIGHT - _TOTALS_LEFT, [(words, _SMALL)])], space_below=4))
    settling = filter(wording.is_settlement, content["lines"])
    rows += [_total_row(said.retell(line["description"]), line["amount_minor"], content, _BODY) for line in settling]
    if _is_credit(content):
        rows.append(
            _total_row(said.say("Total credited"), content["total_minor"], content, _DUE, space_above=7, has_rule=True)
        )
        return rows
    rows.append(_total_row(said.say("Total"), content["total_minor"], content, _STRONG, space_above=5, has_rule=True))
    if content.get("paid_minor"):
        rows.append(
            _total_row(said.say("Paid from your credit"), -content["paid_minor"], content, _BODY, space_above=3)
        )
    rows.append(_total_row(said.say("Amount due"), _due_minor(content), content, _DUE, space_above=3))
    return rows


def _due_minor(content: Content) -> int:
    """Return the amount due in minor units. Documents from before customers had credit are due in whole."""
    return int(content.get("due_minor", content["total_minor"]))


def _total_row(
    label: str, amount_minor: int, content: Content, style: Style, *, space_above: float = 1, has_rule: bool = False
) -> Row:
    amount = language_of(content).money(amount_minor, content["currency"])
    split = RIGHT - 110
    cells = [
        Cell(_TOTALS_LEFT, split - _TOTALS_LEFT - 6, [(label, style)]),
        Cell(split, RIGHT - split, [(amount, style)], Align.RIGHT),
    ]
    return Row(cells, space_above=space_above, space_below=2, has_rule=has_rule)


def _closing(content: Content) -> list[list[Block]]:
    """Return the parts below the totals: terms, bank account, and the issuer's own text. Each part stays together."""
    width, said = RIGHT - LEFT, language_of(content)
    parts: list[list[Block]] = []
    if _is_credit(content):
        words = (
            "This document takes back some of {number}."
            if content.get("is_in_part") and _is_statement(content)
            else "This document takes back {number} in full."
            if _is_statement(content)
            else "This credit note takes back some of invoice {number}."
            if content.get("is_in_part")
            else "This credit note takes back invoice {number} in full."
        )
        words = said.say(words, number=content["invoice_number"])
        parts.append([_paragraph(words, _BODY, space_above=22)])
    elif _due_minor(content) and _is_statement(content):
        parts.append(_merchant_terms(content))
    elif _due_minor(content):
        parts.append(_terms(content))
    else:
        parts.append([_paragraph(said.say("Nothing is to be paid."), _BODY, space_above=22)])
    is_transferred = not (_is_credit(content) or _is_statement(content) or content.get("charged_to"))
    is_transferred = is_transferred and bool(_due_minor(content))
    if is_transferred and content["issuer"]["bank_account"]:
        parts.append(_transfer(content))
    footer = [(line, _SMALL) for line in content["issuer"]["footer"].splitlines() if line.strip()]
    if footer:
        parts.append([Row([Cell(LEFT, width, footer)], space_above=12)])
    return parts


def _transfer(content: Content) -> list[Block]:
    """Return the bank account, the reference, and the code for banking apps if the invoice is in euros."""
    said, issuer = language_of(content), content["issuer"]
    lines = [(line, _BODY) for line in issuer["bank_account"].splitlines() if line.strip()]
    reference = printed_reference(creditor_reference(content["number"]))
    lines.append((said.say("Reference of the transfer: {reference}", reference=reference), _BODY))
    code = transfer_code(
        name=issuer["legal_name"],
        bank_account=issuer["bank_account"],
        amount_minor=_due_minor(content),
        currency=content["currency"],
        number=content["number"],
    )
    words: list[Text] = [(said.say("By transfer to"), _STRONG), *lines]
    if code is None:
        return [Row([Cell(LEFT, RIGHT - LEFT, words)], space_above=8)]
    left = LEFT + CODE_SIDE + 12
    told = Row([Cell(left, RIGHT - left, [*words, (said.say(_SCAN), _SMALL)])], space_above=8)
    return [Beside([[Picture(code_as_png(code), is_code=True)], [told]])]


def _merchant_terms(content: Content) -> list[Block]:
    """Return who sells, charges and declares the tax, on a usage statement."""
    said, merchant = language_of(content), content["merchant"]
    words = said.say(
        "{merchant} sells this to you as the merchant of record, charges it with the tax that is due, and sends you "
        "its receipt, which is the tax document. This statement shows what the amount was computed from; it is no "
        "invoice.",
        merchant=merchant,
    )
    rows: list[Block] = [_paragraph(said.say("Payment"), _STRONG, space_above=22), _paragraph(words, _BODY)]
    if card := content.get("charged_to"):
        charged = said.say("Charged to your {card}: there is nothing for you to do.", card=said.retell(card))
        rows.append(_paragraph(charged, _BODY))
    return rows


def _terms(content: Content) -> list[Block]:
    said, number = language_of(content), content["number"]
    count, due = content["payment_days"], said.day(content["due_on"])
    card = content.get("charged_to")
    if card:
        words = said.say("Charged to your {card}: there is nothing for you to do.", card=said.retell(card))
    elif not count:
        words = said.say("Payable on receipt. Please name {number}.", number=number)
    elif count == 1:
        words = said.say("Payable within 1 day, by {due}. Please name {number}.", due=due, number=number)
    else:
        label = "Payable within {days} days, by {due}. Please name {number}."
        words = said.say(label, days=str(count), due=due, number=number)
    rows: list[Block] = [_paragraph(said.say("Payment"), _STRONG, space_above=22), _paragraph(words, _BODY)]
    terms = content["issuer"].get("payment_terms", "")
    rows += [_paragraph(line, _BODY) for line in terms.splitlines() if line.strip()]
    if card:
        return rows
    url = content["payment_url"]
    if url.startswith(("https://", "http://")):
        online = said.say("Pay online:")
        left = max(60, width_of(online, _BODY) + 6)
        label_cell = Cell(LEFT, left, [(online, _BODY)])
        rows.append(
            Row([label_cell, Cell(LEFT + left, RIGHT - LEFT - left, [(url, Style(18, colour=_LINK))], link=url)])
        )
    return rows


def _paragraph(text: str, style: Style, *, space_above: float = 0) -> Row:
    return Row([Cell(LEFT, RIGHT - LEFT, [(text, style)])], space_above=space_above)


def _draw_foot(canvas: Canvas, content: Content, page: str) -> None:
    """Draw the issuer and the page number at the foot of a page."""
    draw_rule(canvas, LEFT, BOTTOM - 14)
    y = BOTTOM - 25
    page_width = width_of(page, _FOOT)
    draw(canvas, RIGHT - page_width, y, page, _FOOT)
    width = RIGHT - LEFT - page_width - 24
    for line in joined(wording.contact(content["issuer"], language_of(content)), " · ", _FOOT, width)[:_FOOT_LINES_MAX]:
        draw(canvas, LEFT, y, line, _FOOT)
        y -= 9
