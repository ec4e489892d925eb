"""Documents as a finance department gets them: read as text, and compared as pictures.

The pictures in `golden/` were checked by a person. UPDATE_GOLDEN=1 writes them again after an intended change. Check
them again then.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from billing.domain.documents import credit_note_content
from billing.domain.tax import MERCHANT_NOTE
from billing.rendering.services.documents import render_document
from tests.billing.rendering.services import samples
from tests.billing.rendering.services.reading import difference, fonts, links, pictures, texts

GOLDEN = Path(__file__).with_name("golden")
DIFFERENCE_MAX = 0.4
MAKERS: dict[str, Callable[[], dict[str, Any]]] = {
    "short_invoice": samples.short_invoice,
    "full_invoice": samples.full_invoice,
    "long_invoice": lambda: samples.long_invoice(20),
    "japanese_invoice": samples.japanese_invoice,
    "arabic_invoice": samples.arabic_invoice,
    "reverse_charge_invoice": samples.reverse_charge_invoice,
    "credit_note": samples.credit_note,
    "exact_invoice": samples.exact_invoice,
    "endless_invoice": samples.endless_invoice,
}


def words(pdf: bytes) -> str:
    return " ".join(" ".join(texts(pdf)).split())


@pytest.mark.parametrize("name", MAKERS)
def test_a_document_looks_as_it_did_when_a_person_checked_it(name: str) -> None:
    for number, picture in enumerate(pictures(render_document(MAKERS[name]())), start=1):
        path = GOLDEN / f"{name}-{number}.png"
        if os.environ.get("UPDATE_GOLDEN"):
            picture.quantize(64).save(path, optimize=True)
        assert difference(Image.open(path).convert("L"), picture) < DIFFERENCE_MAX, path.name
    assert not (GOLDEN / f"{name}-{number + 1}.png").exists()


def test_the_comparison_of_pictures_detects_one_other_line() -> None:
    [before] = pictures(render_document(samples.short_invoice()))
    [after] = pictures(render_document(samples.short_invoice() | {"payment_days": 30}))
    assert difference(before, after) > 0
    [without] = pictures(render_document(samples.short_invoice() | {"total_minor": 0}))
    assert difference(before, without) > DIFFERENCE_MAX


def test_an_invoice_has_what_a_finance_department_needs() -> None:
    pdf = render_document(samples.full_invoice())
    said = words(pdf)
    for expected in (
        "Invoice number INV-2026-000042",
        "Issue date 1 April 2026",
        "Due date 15 April 2026",
        "Service period 1 \u2013 31 March 2026",
        "Meridian Data Services GmbH Torstraße 140 10119 Berlin Germany Tax ID: DE811907980",
        "Jäger & Söhne Maschinenbau GmbH & Co. KG Königstraße 28 70173 Stuttgart Baden-Württemberg Germany",
        "Tax ID: DE136695976",
        "1 Pro: API calls 1 \u2013 31 March 2026 1,234,567.5 requests 1,583.20",
        "Up to 10,000 10,000 0.002 20.00",
        "Above 10,000 up to 100,000 90,000 0.00175 157.50",
        "Above 10,000 up to 100,000: once 5.00",
        "Above 100,000 1,134,567.5 0.0012345678 1,400.7005024265",
        "Rounded half up from 1,583.2005024265 EUR \u22120.0005024265",
        "Packages of 3, begun 3 1.25 3.75",
        "98,765.432 tokens 0.000012 1.19",
        "Unused time on Pro (17 of 31 days) 1 \u2013 31 March 2026 \u221226.87",
        "17 of 31 days of a fee of 49.00 EUR \u221226.87",
        "Units 12,500 0.002 25.00",
        "Invoiced before, by INV-2026-000017 12,000 \u221224.00",
        "Subtotal 1,680.87 EUR",
        "VAT 19% of 1,680.87 319.36 EUR",
        "Total 2,000.23 EUR",
        "Amount due 2,000.23 EUR",
        "Payable within 14 days, by 15 April 2026.",
        "IBAN DE02 1203 0000 0000 2020 51",
        "Amtsgericht Charlottenburg, HRB 104455",
        "INV-2026-000042 · Page 2 of 2",
    ):
        assert expected in said
    assert links(pdf) == {"https://count.example/t/jaeger/invoices/INV-2026-000042/"}


def test_a_credit_note_names_itself_and_its_invoice_and_requests_no_payment() -> None:
    pdf = render_document(samples.credit_note())
    said = words(pdf)
    for expected in (
        "Credit note number CN-2026-000003",
        "Credits invoice INV-2026-000042",
        "Invoice issued 1 April 2026",
        "Reason The service was not available",
        "Total credited 2,000.23 EUR",
        "takes back invoice INV-2026-000042 in full",
    ):
        assert expected in said
    for absent in ("Amount due", "Payable", "Pay online", "Due date", "IBAN"):
        assert absent not in said
    assert not links(pdf)


def test_a_reverse_charge_says_who_owes_the_tax() -> None:
    said = words(render_document(samples.reverse_charge_invoice()))
    assert "VAT 0% of 49.00 0.00 EUR" in said
    assert "Reverse charge: the recipient is liable for the tax (Article 196, Directive 2006/112/EC)." in said
    assert "Tax ID: FR40303265045" in said


def test_amounts_on_documents_have_the_digits_of_their_currency() -> None:
    assert "Amount due 11,347 JPY" in words(render_document(samples.japanese_invoice()))
    assert "Amount due 43.130 KWD" in words(render_document(samples.arabic_invoice()))


def test_an_invoice_over_zero_requests_no_payment() -> None:
    said = words(render_document(samples.invoice([samples.fee_line("0")])))
    assert "Nothing is to be paid." in said
    assert "IBAN" not in said


def test_terms_are_on_receipt_if_there_is_no_due_day() -> None:
    assert "Payable on receipt." in words(render_document(samples.short_invoice() | {"payment_days": 0}))
    assert "within 1 day," in words(render_document(samples.short_invoice() | {"payment_days": 1}))


def test_an_invoice_to_a_customer_with_a_card_requests_no_transfer() -> None:
    said = words(render_document(samples.short_invoice() | {"charged_to": "Visa ending in 4242"}))
    assert "Charged to your Visa ending in 4242" in said
    assert "Payable" not in said
    assert "By transfer" not in said


def test_only_links_to_the_web_can_be_clicked() -> None:
    pdf = render_document(samples.short_invoice() | {"payment_url": "javascript:alert(1)"})
    assert not links(pdf)
    assert "javascript" not in words(pdf)


def test_a_long_invoice_repeats_its_heads_and_keeps_the_total_with_a_line() -> None:
    pages = texts(render_document(samples.long_invoice(120)))
    assert len(pages) > 10
    for number, page in enumerate(pages, start=1):
        assert "INV-2026-000042" in page
        assert "Quantity" in page
        assert "Amount (EUR)" in page
        assert f"Page {number} of {len(pages)}" in page
    assert "Pro: Meter 120" in pages[-1]
    assert "Amount due" in pages[-1]
    assert all("Amount due" not in page for page in pages[:-1])


@pytest.mark.parametrize("count", [1, 3, 9, 10, 11, 12, 17, 18, 19])
def test_the_total_is_below_a_line_whatever_the_number_of_lines(count: int) -> None:
    pages = texts(render_document(samples.long_invoice(count)))
    [page] = [page for page in pages if "Amount due" in page]
    assert f"Pro: Meter {count:03}" in page
    said = " ".join(pages)
    assert all(said.count(f"Pro: Meter {number:03}") == 1 for number in range(1, count + 1))


def test_a_line_longer_than_a_page_goes_over_to_the_next() -> None:
    steps = {"quantity": "1", "unit_amount": "1", "flat_amount": "0", "amount": "1"}
    content = samples.short_invoice()
    content["lines"][0]["explanation"] = {
        "model": "graduated",
        "quantity": "120",
        "steps": [steps | {"tier": {"above": str(n), "up_to": str(n + 1)}} for n in range(120)],
        "exact_amount": "120",
    }
    pages = texts(render_document(content))
    assert len(pages) >= 2
    assert "Above 119 up to 120" in pages[-1]


@pytest.mark.parametrize("name", MAKERS)
def test_every_font_of_a_document_is_embedded(name: str) -> None:
    embedded = fonts(render_document(MAKERS[name]()))
    assert embedded
    assert all(embedded.values()), embedded
    assert not any("Helvetica" in font for font in embedded)


def test_empty_fields_use_no_font_of_the_reader() -> None:
    nobody = dict.fromkeys(samples.ISSUER, "")
    content = samples.invoice([samples.fee_line("49")], issuer=nobody, customer=dict.fromkeys(samples.CUSTOMER, ""))
    embedded = fonts(render_document(content))
    assert all(embedded.values()), embedded


@pytest.mark.takes_long("it starts processes")
def test_the_same_content_gives_the_same_bytes_in_any_process_and_order() -> None:
    render_document(samples.arabic_invoice())
    here = {name: sha256(render_document(MAKERS[name]())).hexdigest() for name in reversed(MAKERS)}
    program = (
        "import sys; from hashlib import sha256; from billing.rendering.services.documents import "
        "render_document\n"
        "from tests.billing.rendering.services.test_documents import MAKERS\n"
        "print(sha256(render_document(MAKERS[sys.argv[1]]())).hexdigest())"
    )
    for name in ("arabic_invoice", "full_invoice"):
        there = subprocess.run(
            [sys.executable, "-c", program, name], capture_output=True, text=True, check=True, timeout=120
        )
        assert there.stdout.strip() == here[name]


def test_a_very_long_name_stays_in_its_column() -> None:
    customer = {"legal_name": "Donaudampfschifffahrtsgesellschaft" * 5}
    pdf = render_document(samples.invoice([samples.fee_line("49")], customer=customer))
    [picture] = pictures(pdf)
    right_margin = picture.crop((picture.width - 40, 0, picture.width, picture.height))
    assert right_margin.getextrema() == (255, 255)
    assert "Donaudampf" in words(pdf)


@pytest.mark.parametrize("language", ["en", "de", "fr", "es"])
def test_what_a_merchant_of_record_sold_is_no_invoice_in_any_language(language: str) -> None:
    note = MERCHANT_NOTE.format(merchant="Paddle")
    row = {"name": "Paddle", "treatment": "merchant", "note": note, "category": "O", "percent": "0"}
    sold = samples.short_invoice() | {"merchant": "Paddle", "number": "STMT-2026-000001", "language": language}
    sold["taxes"] = [sold["taxes"][0] | row | {"amount_minor": 0}]
    said = words(render_document(sold))
    credit = credit_note_content(sold, number="STMT-2026-000002", issued_on=date(2026, 4, 2), reason="out of order")
    credited = words(render_document(credit))
    titles = {
        "en": ("Usage statement", "Tax: charged by Paddle", "Credit to a usage statement"),
        "de": ("Verbrauchsübersicht", "Steuer: von Paddle berechnet", "Gutschrift zur Verbrauchsübersicht"),
        "fr": ("Relevé de consommation", "Taxe : facturée par Paddle", "Avoir sur un relevé de consommation"),
        "es": ("Extracto de consumo", "Impuesto: cobrado por Paddle", "Abono de un extracto de consumo"),
    }
    title, tax, credit_title = titles[language]
    assert title in said
    assert tax in said
    assert "IBAN" not in said, "the customer pays the merchant"
    assert credit_title in credited
    assert "Invoice" not in credited
