"""Receipts and statements as their readers get them: no documents for tax, in the customer's language."""

from hashlib import sha256
from typing import Any

from billing.rendering.services.papers import render_receipt, render_statement
from tests.billing.rendering.services.reading import texts
from tests.billing.rendering.services.samples import CUSTOMER, ISSUER

SHARED = {"issuer": ISSUER, "customer": CUSTOMER, "issued_on": "2026-03-20"}
RECEIPT: dict[str, Any] = SHARED | {
    "kind": "receipt",
    "number": "R 4711",
    "received_on": "2026-03-10",
    "method": "Bank transfer",
    "currency": "EUR",
    "amount_minor": 1000000,
    "pays": [
        {"number": "INV-2026-000001", "amount_minor": 4900, "total_minor": 4900},
        {"number": "INV-2026-000002", "amount_minor": 2000, "total_minor": 4900},
    ],
    "refunded_minor": 1000,
    "unallocated_minor": 992100,
}
ROW = {"day": "2026-03-05", "what": "Invoice", "document": "INV-2026-000001", "amount_minor": 4900,
       "balance_minor": 4900}  # fmt: skip


def statement(rows: int, **said: Any) -> dict[str, Any]:
    accounts = [{"currency": "EUR", "opening_minor": 0, "closing_minor": 4900, "rows": [ROW] * rows}] * bool(rows)
    period = {"first_day": "2026-01-01", "last_day": "2026-12-31"}
    return SHARED | {"kind": "statement", "period": period, "accounts": accounts} | said


def words(pdf: bytes) -> str:
    return " ".join(" ".join(texts(pdf)).split())


def test_a_receipt_says_what_came_and_what_it_pays() -> None:
    said = words(render_receipt(RECEIPT))
    for expected in (
        "Reference R 4711",
        "Received on 10 March 2026",
        "Method Bank transfer",
        "Amount received 10,000.00 EUR",
        "Pays invoice INV-2026-000001 49.00 EUR",
        "Pays invoice INV-2026-000002 20.00 EUR of 49.00 EUR",
        "Given back to you 10.00 EUR",
        "Not allocated to an invoice: it is yours 9,921.00 EUR",
        "It is no invoice and no document for tax; it says how the payment stands on 20 March 2026.",
        "Tax ID: DE136695976",
        "R 4711 · Page 1 of 1",
    ):
        assert expected in said
    bare = words(render_receipt(RECEIPT | {"pays": [], "refunded_minor": 0, "unallocated_minor": 0}))
    assert "Given back" not in bare
    assert "Not allocated" not in bare
    german = words(render_receipt(RECEIPT | {"language": "de"}))
    assert "Für Rechnung INV-2026-000002 20,00 EUR von 49,00 EUR" in german
    assert "keine Rechnung und kein Steuerbeleg" in german


def test_a_statement_repeats_its_head_and_ends_with_the_balance() -> None:
    pages = texts(render_statement(statement(120)))
    assert len(pages) > 2
    said = " ".join(" ".join(pages).split())
    assert "1 January 2026 Brought forward 0.00" in said
    assert "5 March 2026 Invoice INV-2026-000001 49.00 49.00" in said
    assert "Balance on 31 December 2026 49.00 EUR" in said
    assert "This statement is no invoice." in " ".join(pages[-1].split())
    assert "Statement of account · 1 January \u2013 31 December 2026" in " ".join(pages[1].split())
    assert "Nothing happened in these days." in words(render_statement(statement(0)))
    spanish = words(render_statement(statement(1, language="es")))
    assert "Saldo anterior" in spanish
    assert "5 de marzo de 2026 Factura INV-2026-000001 49,00 49,00" in spanish


def test_the_same_content_gives_the_same_bytes() -> None:
    assert sha256(render_receipt(RECEIPT)).digest() == sha256(render_receipt(RECEIPT)).digest()
    assert render_statement(statement(3)) == render_statement(statement(3))
