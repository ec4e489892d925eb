"""Sessions that a dump of the database does not open.

The row of a session has a key that is worth nothing without our signature: the cookie carries both. The session's data
(mailed codes, an invitation, a TOTP secret before it is confirmed) is encrypted.
"""

import json
from typing import Any

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessionStore
from django.contrib.sessions.middleware import SessionMiddleware
from django.core import signing
from django.http import HttpRequest, HttpResponse

from accounts.at_rest import SESSION, seal_text, unseal_text


class SessionStore(DatabaseSessionStore):
    """Django's session store, with encrypted data. Django looks it up by this name."""

    def encode(self, session_dict: dict[str, Any]) -> str:
        """Encrypt the data of a session."""
        return seal_text(json.dumps(session_dict), purpose=SESSION)

    def decode(self, session_data: str | bytes) -> dict[str, Any]:
        """Decrypt the data of a session. Return an empty dict if another secret encrypted it."""
        text = session_data if isinstance(session_data, str) else session_data.decode()
        try:
            remembered: dict[str, Any] = json.loads(unseal_text(text, purpose=SESSION))
        except InvalidToken:
            return {}
        return remembered


class SignedSessionMiddleware(SessionMiddleware):
    """Django's middleware, with a cookie of key and signature. A key alone, as the database has it, is no session."""

    def process_request(self, request: HttpRequest) -> None:
        """Load the session that the cookie names, or begin an empty one."""
        cookie = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
        request.session = self.SessionStore(session_key_of_cookie(cookie))

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Store the changed session, and sign the key in the cookie."""
        response = super().process_response(request, response)
        cookie = response.cookies.get(settings.SESSION_COOKIE_NAME)
        if cookie is not None and cookie.value:
            response.cookies[settings.SESSION_COOKIE_NAME] = cookie_of_session_key(cookie.value)
        return response


def cookie_of_session_key(session_key: str) -> str:
    """Return the value of the session cookie."""
    return _signer().sign(session_key)


def session_key_of_cookie(cookie: str) -> str | None:
    """Return the key in a cookie of ours, or None."""
    try:
        return _signer().unsign(cookie)
    except signing.BadSignature:
        return None


def _signer() -> signing.Signer:
    return signing.Signer(sep=".", salt="countinghouse session cookie")
