"""A silent sign-in provider does not hold a request, and is not called again after three failures."""

import time

import pytest
import requests

from accounts.gateways.circuits import FAILURES_MAX
from accounts.gateways.deadlines import waiting_at_most
from accounts.gateways.web_session import BoundedSession
from accounts.models import Circuit
from tests.security.web import silent_service

pytestmark = pytest.mark.django_db


def ask(address: str) -> float:
    """Return the seconds until a request knows that the provider does not respond."""
    started = time.monotonic()
    with waiting_at_most(1), pytest.raises(requests.ConnectionError, match="did not answer"):
        BoundedSession().get(f"{address}/.well-known/openid-configuration", timeout=5)
    return time.monotonic() - started


@pytest.mark.takes_long("it waits for a deadline")
def test_a_silent_provider_of_sign_in_holds_no_request() -> None:
    with silent_service() as address:
        assert ask(address) < 3
        Circuit.objects.update(failures=FAILURES_MAX - 1)
        ask(address)
        assert Circuit.objects.get().opened_at
        assert ask(address) < 1
