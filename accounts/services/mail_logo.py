"""The logo of mails: checked, and encoded again."""

import base64
from io import BytesIO
from typing import Final

from PIL import Image

from accounts.errors import FieldError, InvalidFieldsError

LOGO_BYTES_MAX: Final = 150_000
LOGO_SIDE_MAX: Final = 4000
LOGO_KEPT: Final = (400, 80)  # twice as many dots as are shown
_FORMATS: Final = ("PNG", "JPEG")
_UNREADABLE: Final = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)


def logo_from(text: str) -> bytes:
    """Return the picture that a form sends as base64, decoded and encoded again as PNG. Raises `InvalidFieldsError`."""
    try:
        content = base64.b64decode(text.strip().rpartition(",")[2], validate=True)
    except ValueError:
        content = b""
    if len(content) > LOGO_BYTES_MAX:
        raise _refusal(f"At most {LOGO_BYTES_MAX // 1000} kB.")
    try:
        image = Image.open(BytesIO(content), formats=_FORMATS)
        if max(image.size) > LOGO_SIDE_MAX:
            raise _refusal(f"At most {LOGO_SIDE_MAX} dots on each side.")
        kept = image.convert("RGBA")
        kept.thumbnail(LOGO_KEPT)
        written = BytesIO()
        kept.save(written, "PNG")
    except _UNREADABLE as error:
        raise _refusal("Choose a PNG or JPEG picture.") from error
    return written.getvalue()


def _refusal(detail: str) -> InvalidFieldsError:
    return InvalidFieldsError(detail, field_errors=(FieldError("/logo_file", "invalid", detail),))
