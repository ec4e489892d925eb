"""HTTP requests to sign-in providers: within the request's time, and not to an unavailable host."""

from typing import Any, Final
from urllib.parse import urlsplit

import requests
from django.conf import settings

from accounts.gateways.outside import NO_ANSWER, call_outside

OUTAGES: Final = (requests.ConnectionError, requests.Timeout)
NAME_CHARACTERS_MAX: Final = 40


class BoundedSession(requests.Session):
    """A session with a circuit for each host. Raises `requests.ConnectionError` if there is no response."""

    def request(self, method: Any, url: Any, *args: Any, **options: Any) -> requests.Response:
        """Send the request as the library does."""
        host = urlsplit(str(url)).hostname or ""
        options.setdefault("timeout", settings.OUTSIDE_SECONDS)
        send = super().request
        try:
            return call_outside(host[:NAME_CHARACTERS_MAX], lambda: send(method, url, *args, **options), OUTAGES)
        except NO_ANSWER as error:
            raise requests.ConnectionError(f"{host} did not answer: {error}") from error
