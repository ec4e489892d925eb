"""The seller's logo: decoded with care, kept by its hash."""

from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO

import pytest
from django.db import DatabaseError, connection, transaction
from PIL import Image

from accounts.errors import InvalidFieldsError
from billing.rendering.models import Logo
from billing.rendering.services.logos import BYTES_MAX, keep_logo, logo_of, picture_of

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def picture(size: tuple[int, int] = (1600, 400), kind: str = "PNG") -> bytes:
    written = BytesIO()
    Image.new("RGB", size, (29, 77, 58)).save(written, kind)
    return written.getvalue()


def test_a_picture_is_written_again_smaller_and_kept_once() -> None:
    kept = keep_logo(content=picture() + b"<script>what is not seen</script>", as_of=NOON)
    assert keep_logo(content=picture(), as_of=NOON) == kept
    found = logo_of({"logo": kept})
    assert found is not None
    assert sha256(found).hexdigest() == kept
    assert b"script" not in found
    assert Image.open(BytesIO(found)).size == (540, 135)
    assert keep_logo(content=picture((40, 20), "JPEG"), as_of=NOON) != kept
    assert (logo_of({}), logo_of({"logo": ""})) == (None, None)
    with pytest.raises(Logo.DoesNotExist):
        logo_of({"logo": "0" * 64})


def test_a_form_brings_a_picture_as_base64() -> None:
    sent = b64encode(b"picture").decode()
    assert picture_of(f" {sent}\n") == picture_of(f"data:image/png;base64,{sent}") == b"picture"
    assert picture_of("data:image/png;base64,%%%") == picture_of("\u20ac") == b""


@pytest.mark.as_owner
def test_a_kept_picture_never_changes() -> None:
    kept = keep_logo(content=picture(), as_of=NOON)
    for statement in ("UPDATE rendering_logo SET content = ''", "DELETE FROM rendering_logo"):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"{statement} WHERE sha256 = %s", [kept])


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "invalid_logo"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "invalid_logo"),
        (picture((40, 20), "GIF"), "invalid_logo"),
        (picture((600, 600))[:-60], "invalid_logo"),
        (b"\x89PNG\r\n\x1a\n" + b"x" * 50, "invalid_logo"),
        (b"x" * (BYTES_MAX + 1), "too_large"),
        (picture((5000, 1)), "too_large"),
    ],
)
def test_what_is_no_such_picture_is_refused(content: bytes, code: str) -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        keep_logo(content=content, as_of=NOON)
    assert refused.value.field_errors[0].code == code
    assert not Logo.objects.exists()
