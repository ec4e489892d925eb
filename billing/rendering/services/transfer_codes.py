"""The EPC code of a transfer as a picture: a banking app that scans it fills in the whole transfer."""

from decimal import Decimal
from io import BytesIO

from segno import QRCode
from segno.helpers import make_epc_qr

from billing.domain.transfers import TransferCode


def code_as_png(code: TransferCode) -> bytes:
    """Return the code as a PNG: the same bytes for the same transfer."""
    buffer = BytesIO()
    _code(code).save(buffer, kind="png", scale=6, border=4)
    return buffer.getvalue()


def code_as_svg(code: TransferCode) -> str:
    """Return the code as an SVG element for a page, black on white in every theme."""
    text: str = _code(code).svg_inline(
        scale=4, border=4, dark="#000", light="#fff", svgclass="transfer-code", lineclass=None, omitsize=True
    )
    return text


def _code(code: TransferCode) -> QRCode:
    return make_epc_qr(
        name=code.name,
        iban=code.account.iban,
        amount=Decimal(code.amount),
        reference=code.reference,
        bic=code.account.bic or None,
        encoding="utf-8",
    )
