"""The logo of mails."""

import base64
from io import BytesIO

import pytest
from PIL import Image

from accounts.errors import InvalidFieldsError
from accounts.services.mail_logo import LOGO_BYTES_MAX, LOGO_KEPT, LOGO_SIDE_MAX, logo_from


def picture(width: int = 20, height: int = 10) -> bytes:
    written = BytesIO()
    Image.new("RGB", (width, height), "navy").save(written, "PNG")
    return written.getvalue()


PICTURE = picture()


def as_text(content: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(content).decode()


def test_a_picture_is_made_as_small_as_it_is_shown() -> None:
    kept = Image.open(BytesIO(logo_from(as_text(picture(1000, 500)))))
    assert kept.format == "PNG"
    assert kept.height == LOGO_KEPT[1]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no base64!",
        as_text(b"<svg/>"),
        as_text(b"0" * (LOGO_BYTES_MAX + 1)),
        as_text(picture(LOGO_SIDE_MAX + 1, 1)),
    ],
    ids=["nothing", "text", "svg", "large", "wide"],
)
def test_what_is_no_picture_or_too_large_is_refused(text: str) -> None:
    with pytest.raises(InvalidFieldsError):
        logo_from(text)
