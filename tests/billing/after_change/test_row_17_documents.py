"""Row 17: documents can be read: long numbers, names from the right, included units, phone numbers, dates."""

import pypdfium2
import pytest

from billing.rendering.services.documents import render_document
from tests.billing.rendering.services import samples
from tests.billing.rendering.services.reading import texts


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return [line for page in texts(render_document(samples.exact_invoice())) for line in page.splitlines()]


def test_numbers_with_long_decimals_do_not_run_together(lines: list[str]) -> None:
    said = " ".join(lines)
    for number in ("987,654,321,012.123456789", "0.000000123456", "121,931.851854872713481342784"):
        assert number in said.split()


def test_a_phone_number_is_on_one_line(lines: list[str]) -> None:
    assert any("+972 2 123 4567 ext. 12 34 56" in line for line in lines)


def test_included_units_have_no_price_of_zero(lines: list[str]) -> None:
    assert any("included" in line for line in lines)
    assert not [line for line in lines if line.split()[-2:] == ["0", "0.00"]]


def test_the_file_has_the_day_of_its_document() -> None:
    with pypdfium2.PdfDocument(render_document(samples.exact_invoice())) as document:
        assert document.get_metadata_dict()["CreationDate"] == "D:20260401000000Z"
