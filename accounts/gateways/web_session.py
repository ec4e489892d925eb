"""Requests over HTTP to what a person signs in at: in the request's time, and not to a host that does not answer."""

from typing import Any, Final
from urllib.parse import urlsplit

import requests
from django.conf import settings

from accounts.gateways.outside import NO_ANSWER, ask

OUTAGES: Final = (requests.ConnectionError, requests.Timeout)
NAME_CHARACTERS_MAX: Final = 40


class BoundedSession(requests.Session):
    """A session whose circuits are named by the host. Raises `requests.ConnectionError` where there is no answer."""

    def request(self, method: Any, url: Any, *args: Any, **options: Any) -> requests.Response:
        """Ask as the library does."""
        host = urlsplit(str(url)).hostname or ""
        options.setdefault("timeout", settings.OUTSIDE_SECONDS)
        send = super().request
        try:
            return ask(host[:NAME_CHARACTERS_MAX], lambda: send(method, url, *args, **options), OUTAGES)
        except NO_ANSWER as error:
            raise requests.ConnectionError(f"{host} did not answer: {error}") from error
