"""A small OpenID Connect provider over real HTTP: discovery, authorization code with PKCE, signed id tokens.

It signs in the person that a test names, and can be set to send false claims.
"""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT_ID, CLIENT_SECRET = "countinghouse", "secret-of-the-client"
CLIENTS = {"customers": CLIENT_ID, "staff": "countinghouse-staff"}
KEY_ID = "first"


class OpenIDProvider:
    """One issuer with one client. `claims` is the person who signs in. `lies` replaces claims of each id token."""

    def __init__(self, url: str, keys: tuple[rsa.RSAPrivateKey, rsa.RSAPrivateKey]) -> None:
        """Sign with the first key. The second is a stranger's, and is not published."""
        self.url = url
        self.key, self.stranger = keys
        self.claims: dict[str, Any] = {}
        self.lies: dict[str, Any] = {}
        self.is_signed_by_stranger = False
        self.algorithm = "RS256"
        self.is_broken = False
        self.lies_about_issuer = ""
        self.codes: dict[str, dict[str, str]] = {}

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.lies_about_issuer or self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/jwks",
        }

    def jwks(self) -> dict[str, Any]:
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [public | {"kid": KEY_ID, "alg": "RS256", "use": "sig"}]}

    def authorize(self, asked: dict[str, str]) -> str:
        """Return the address to which the browser is redirected."""
        assert asked["client_id"] in CLIENTS.values()
        assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(8)
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, given: dict[str, str]) -> dict[str, Any] | None:
        """Return the tokens for a code, once, or None if anything is wrong."""
        asked = self.codes.pop(given.get("code", ""), None)
        verifier = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
        if asked is None or given.get("client_secret") != CLIENT_SECRET or challenge != asked["code_challenge"]:
            return None
        now = int(time.time())
        claims = {"iss": self.url, "aud": asked["client_id"], "iat": now, "exp": now + 60, "nonce": asked["nonce"]}
        told = claims | self.claims | self.lies
        signer: Any = self.stranger if self.is_signed_by_stranger else self.key
        if self.algorithm.startswith("HS"):
            signer = CLIENT_SECRET * 3
        if self.algorithm == "none":
            signer = None
        encoded = jwt.encode(told, signer, algorithm=self.algorithm, headers={"kid": KEY_ID})
        return {"access_token": "opaque", "token_type": "Bearer", "expires_in": 60, "id_token": encoded}


@contextmanager
def openid_provider(keys: tuple[rsa.RSAPrivateKey, rsa.RSAPrivateKey]) -> Iterator[OpenIDProvider]:
    """Serve a provider on a port of its own."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    provider = OpenIDProvider(f"http://127.0.0.1:{server.server_port}", keys)
    server.RequestHandlerClass = handler_of(provider)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def handler_of(provider: OpenIDProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/authorize":
                asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
                self.send_response(302)
                self.send_header("Location", provider.authorize(asked))
                self.end_headers()
                return
            if provider.is_broken:
                self.answer(500, {})
                return
            pages = {"/.well-known/openid-configuration": provider.discovery, "/jwks": provider.jwks}
            self.answer(200, pages[parts.path]())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            tokens = provider.token({name: values[0] for name, values in parse_qs(body).items()})
            self.answer(400 if tokens is None else 200, tokens or {"error": "invalid_grant"})

        def answer(self, status: int, body: object) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's signature
            """Omit the log."""

    return Handler
