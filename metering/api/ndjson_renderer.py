"""Rows as NDJSON: one JSON object a line, for programs that read a line at a time."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol

from rest_framework.renderers import BaseRenderer

from accounts.api.renderers import encode_json

NDJSON_TYPE: Final = "application/x-ndjson"


class HasNdjsonRows(Protocol):
    """A view that can return its data as rows."""

    def ndjson_rows(self, data: Any) -> Iterable[object]:
        """Return the rows in the form of JSON."""


class NdjsonRenderer(BaseRenderer):
    """Renders the data of a view that `HasNdjsonRows`."""

    media_type = NDJSON_TYPE
    format = "ndjson"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,  # noqa: ARG002 - DRF's signature
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return a line for each row."""
        assert renderer_context is not None, "DRF gives the context"
        view: HasNdjsonRows = renderer_context["view"]
        return write_ndjson(view.ndjson_rows(data))


def write_ndjson(rows: Iterable[object]) -> bytes:
    """Return the rows as lines of JSON, each with its line end."""
    return b"".join(encode_json(row) + b"\n" for row in rows)
