"""The code of a transfer: the same bytes each time, with the whole transfer in it."""

from segno.helpers import make_epc_qr

from billing.domain.transfers import transfer_code
from billing.rendering.services.transfer_codes import code_as_png, code_as_svg

CODE = transfer_code(
    name="Seller & Sons", bank_account="DE89 3704 0044 0532 0130 00", amount_minor=24079, currency="EUR", number="INV-1"
)


def test_the_code_is_that_of_the_payments_council() -> None:
    assert CODE is not None
    assert code_as_png(CODE) == code_as_png(CODE)
    assert code_as_png(CODE).startswith(b"\x89PNG")
    svg = code_as_svg(CODE)
    assert svg.startswith("<svg")
    assert "style=" not in svg  # the pages' content security policy
    expected = make_epc_qr(
        name="Seller & Sons", iban="DE89370400440532013000", amount=240.79, reference=CODE.reference, encoding="utf-8"
    )
    assert expected.svg_inline(
        scale=4, border=4, dark="#000", light="#fff", svgclass="transfer-code", lineclass=None, omitsize=True
    ) == svg  # fmt: skip
