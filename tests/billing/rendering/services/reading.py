"""Reading PDFs as their readers do: as text, as pictures, and for their fonts."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pikepdf
import pypdfium2
from PIL import Image, ImageChops, ImageStat

SCALE = 0.75


def texts(pdf: bytes) -> list[str]:
    """Return the text of each page."""
    return [page.get_textpage().get_text_range().replace("\r\n", "\n") for page in pypdfium2.PdfDocument(pdf)]


def pictures(pdf: bytes) -> list[Image.Image]:
    return [page.render(scale=SCALE).to_pil().convert("L") for page in pypdfium2.PdfDocument(pdf)]


def difference(one: Image.Image, other: Image.Image) -> float:
    """Return the mean difference of two pictures, out of 255. Pictures of different sizes differ wholly."""
    if one.size != other.size:
        return 255.0
    return float(ImageStat.Stat(ImageChops.difference(one, other)).mean[0])


def fonts(pdf: bytes) -> dict[str, bool]:
    """Return every font that the document names anywhere, and whether it is embedded."""
    found = {}
    for font in _of_type(pdf, "/Font"):
        descriptor = font.get("/FontDescriptor")
        found[str(font.BaseFont)] = descriptor is not None and "/FontFile2" in descriptor
    return found


def links(pdf: bytes) -> set[str]:
    with pikepdf.open(BytesIO(pdf)) as opened:
        annotations = [annotation for page in opened.pages for annotation in page.get("/Annots", [])]
        return {str(annotation.A.URI) for annotation in annotations if "/A" in annotation}


def _of_type(pdf: bytes, kind: str) -> Iterator[Any]:
    with pikepdf.open(BytesIO(pdf)) as opened:
        for thing in opened.objects:
            if isinstance(thing, pikepdf.Dictionary) and thing.get("/Type") == kind:
                yield thing
