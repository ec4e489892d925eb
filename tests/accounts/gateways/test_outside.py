"""Outages open a service's circuit, and responses of any kind close it."""

import pytest

from accounts.gateways.circuits import FAILURES_MAX, CircuitOpenError
from accounts.gateways.outside import call_outside
from accounts.models import Circuit

pytestmark = pytest.mark.django_db


class AwayError(Exception):
    """The service does not respond."""


class RefusedError(Exception):
    """The service responds with a refusal."""


def raising(error: type[Exception]) -> None:
    raise error("said")


def failed(error: type[Exception], times: int) -> None:
    for _ in range(times):
        with pytest.raises(error):
            call_outside("stripe", lambda: raising(error), (AwayError,))


def test_a_service_that_does_not_respond_is_soon_not_called() -> None:
    failed(AwayError, FAILURES_MAX)
    with pytest.raises(CircuitOpenError):
        call_outside("stripe", lambda: "not asked", (AwayError,))


def test_a_refusal_counts_as_a_response() -> None:
    failed(AwayError, FAILURES_MAX - 1)
    failed(RefusedError, 1)
    failed(AwayError, FAILURES_MAX - 1)
    assert call_outside("stripe", lambda: "asked", (AwayError,)) == "asked"


def test_a_service_that_always_responds_leaves_no_row() -> None:
    assert call_outside("stripe", lambda: "asked", (AwayError,)) == "asked"
    failed(RefusedError, 1)
    assert not Circuit.objects.exists()
