"""Exact JSON output: see `accounts.domain.plain` for the form of each value."""

from collections.abc import Mapping
from typing import Any

import msgspec
from rest_framework.renderers import BaseRenderer

from accounts.domain.plain import plain_decimal, plain_instant, to_plain

__all__ = ["ExactJSONRenderer", "encode_json", "plain_decimal", "plain_instant"]


def encode_json(value: object) -> bytes:
    """Return `value` as JSON bytes."""
    return msgspec.json.encode(to_plain(value))


class ExactJSONRenderer(BaseRenderer):
    """The renderer of all JSON responses of the API."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,  # noqa: ARG002 - DRF's signature
        renderer_context: Mapping[str, Any] | None = None,  # noqa: ARG002 - DRF's signature
    ) -> bytes:
        """Encode; a response without data, such as 204, has no body."""
        return b"" if data is None else encode_json(data)
