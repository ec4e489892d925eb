"""The seller's logo: checked and re-encoded, and stored under its hash, by which documents name it."""

import base64
import hashlib
import warnings
from collections.abc import Mapping
from datetime import datetime
from io import BytesIO
from typing import Any, Final, NoReturn

from PIL import Image

from accounts.errors import FieldError, InvalidFieldsError
from billing.rendering.models import Logo

# As base64 it fits into a form.
BYTES_MAX: Final = 150_000
SIDE_MAX: Final = 4000
# Three times as many dots as the page has points for it.
_KEPT: Final = (540, 162)
_FORMATS: Final = ("PNG", "JPEG")
_UNREADABLE: Final = (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning)


def picture_of(text: str) -> bytes:
    """Return the bytes of a picture that a form sends as base64, with or without `data:image/png;base64,` before it.

    Return no bytes if it is not base64.
    """
    try:
        return base64.b64decode(text.strip().rpartition(",")[2], validate=True)
    except ValueError:
        return b""


def keep_logo(*, content: bytes, as_of: datetime) -> str:
    """Store a picture that staff gave and return its SHA-256. Raises `InvalidFieldsError`.

    The picture is decoded and encoded again as PNG, so that documents contain its pixels alone.
    """
    picture = _cleaned(content)
    sha256 = hashlib.sha256(picture).hexdigest()
    Logo.objects.bulk_create([Logo(sha256=sha256, content=picture, created_at=as_of)], ignore_conflicts=True)
    return sha256


def logo_of(content: Mapping[str, Any]) -> bytes | None:
    """Return the picture that a document names, or None if it names none."""
    sha256 = content.get("logo")
    return bytes(Logo.objects.get(pk=sha256).content) if sha256 else None


def _cleaned(content: bytes) -> bytes:
    if len(content) > BYTES_MAX:
        _refuse("too_large", f"At most {BYTES_MAX // 1000} kB.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(BytesIO(content), formats=_FORMATS)
            if max(image.size) > SIDE_MAX:  # known from the head, before anything is decoded
                _refuse("too_large", f"At most {SIDE_MAX} dots on a side.")
            kept = image.convert("RGBA")
    except _UNREADABLE:
        _refuse("invalid_logo", "A picture as PNG or JPEG.")
    kept.thumbnail(_KEPT)
    written = BytesIO()
    kept.save(written, "PNG", optimize=True)
    return written.getvalue()


def _refuse(code: str, detail: str) -> NoReturn:
    raise InvalidFieldsError(detail, field_errors=(FieldError("/logo_file", code, detail),))
