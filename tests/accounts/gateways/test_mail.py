"""A mail server that hangs does not hold a request, and is not tried again after three failures."""

import time

import pytest
from django.core.mail import EmailMessage, get_connection

from accounts.gateways.circuits import FAILURES_MAX
from accounts.gateways.deadlines import waiting_at_most
from accounts.models import Circuit
from tests.security.web import silent_service

pytestmark = pytest.mark.django_db
BACKEND = "accounts.gateways.mail.BoundedSmtp"


def send(port: int) -> float:
    """Return the seconds until a request gets the error that its mail was not sent."""
    started = time.monotonic()
    connection = get_connection(BACKEND, host="127.0.0.1", port=port, timeout=2)
    with waiting_at_most(1), pytest.raises(OSError, match="did not answer"):
        connection.send_messages([EmailMessage("subject", "body", "a@example.com", ["b@example.com"])])
    return time.monotonic() - started


@pytest.mark.takes_long("it waits for a deadline")
def test_a_silent_mail_server_holds_no_request() -> None:
    with silent_service() as address:
        port = int(address.rpartition(":")[2])
        assert send(port) < 2
        Circuit.objects.update(failures=FAILURES_MAX - 1)
        send(port)
        assert Circuit.objects.get().opened_at
        assert send(port) < 1
