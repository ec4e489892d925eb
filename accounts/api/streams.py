"""Streamed responses: their parts are made after the view and all middleware have returned."""

from collections.abc import Iterator
from typing import cast

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase

from accounts.domain.reach import keeping_reach


def keep_reach(response: HttpResponseBase) -> HttpResponseBase:
    """Return the response. If it is streamed, its parts are made with the reach of now."""
    if isinstance(response, StreamingHttpResponse):
        response.streaming_content = keeping_reach(cast("Iterator[bytes]", response.streaming_content))
    return response
