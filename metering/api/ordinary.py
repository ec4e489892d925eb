"""The short way of a call: what a view has so that its ordinary requests are combined (decision 0023).

A request is ordinary if all that can be said to it is yes, or 429. Every other one begins again on the long way, which
says every error, with the same bytes.
"""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from types import MappingProxyType
from typing import NamedTuple, Protocol, TypeVar

from rest_framework.request import Request
from rest_framework.response import Response

from metering.domain.rounds import Outcome, RoundQuestion, RoundReport

Work = TypeVar("Work")


class Told(NamedTuple):
    """A response of success, as both ways say it: its status, its data and its own headers."""

    status: int
    data: dict[str, object]
    headers: Mapping[str, str] = MappingProxyType({})

    def as_response(self) -> Response:
        """Return it for the long way."""
        return Response(self.data, status=self.status, headers=dict(self.headers))


class NotOrdinaryError(Exception):
    """The request goes the long way. Nothing was stored."""


class OrdinaryCall(Protocol):
    """A view whose `post` has a short way. The request is authenticated, permitted and parsed.

    `statuses` are those that the short way may say. If one of several is not known yet, a request that was stored
    begins again on the long way with the same id, so that call allows a known event as it allowed the new one.
    """

    statuses: frozenset[HTTPStatus]

    def work_of(self, request: Request, as_of: datetime) -> RoundReport | RoundQuestion:
        """Return the request as work for a round. Raises `NotOrdinaryError` or what the long way raises."""

    def response_to(self, request: Request, work: RoundReport | RoundQuestion, outcome: Outcome) -> Told:
        """Return the response of success, or raise the 429."""


def required(work: Work | None) -> Work:
    """Return the work. Raises `NotOrdinaryError` if a round cannot do it."""
    if work is None:
        raise NotOrdinaryError
    return work
