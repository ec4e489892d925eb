"""Answers that are streamed: their pieces are made after the view has returned, and after all that stood around it."""

from collections.abc import Iterator
from typing import cast

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase

from accounts.domain.reach import keeping_reach


def keep_reach(response: HttpResponseBase) -> HttpResponseBase:
    """Return the response, each of whose pieces is made with the reach of now; others stay as they are."""
    if isinstance(response, StreamingHttpResponse):
        response.streaming_content = keeping_reach(cast("Iterator[bytes]", response.streaming_content))
    return response
