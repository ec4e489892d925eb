"""The receiver's server: it keeps the last messages in memory, and shows them newest first."""

import html
import json
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

from standardwebhooks import Webhook, WebhookVerificationError

from config.workbench.receiver.product import product_page

MESSAGES_KEPT = 100
BODY_BYTES_MAX = 1024 * 1024
SECRET_NAME = "webhook_secret"  # noqa: S105 - a name
# Paths that behave as a broken receiver does, to see what the sender makes of it.
BROKEN = {"/fails": HTTPStatus.INTERNAL_SERVER_ERROR, "/busy": HTTPStatus.TOO_MANY_REQUESTS, "/gone": HTTPStatus.GONE}
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="3">
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<title>Webhook receiver</title><style>body{{font:16px/1.5 system-ui;
max-width:60rem;margin:2rem auto;padding:0 1rem}}
pre{{overflow-x:auto;padding:1rem;border:1px solid #8886;border-radius:6px}}</style></head><body>
<h1>Webhook receiver</h1><p>What arrived here, newest first. The page reloads by itself. An endpoint with the path
<code>/fails</code>, <code>/busy</code> or <code>/gone</code> is refused with 500, 429 or 410.</p>
{messages}</body></html>"""


@dataclass(frozen=True)
class Message:
    """A message that arrived."""

    at: datetime
    path: str
    id: str
    verified: str
    body: str

    def as_html(self) -> str:
        """Return its part of the page."""
        parts = (f"{self.at:%Y-%m-%d %H:%M:%S} UTC", self.path, self.id, self.verified)
        return f"<h2>{html.escape(' · '.join(parts))}</h2><pre>{html.escape(self.body)}</pre>"


class Receiver(BaseHTTPRequestHandler):
    """Takes messages by POST, and shows them by GET."""

    protocol_version = "HTTP/1.1"
    demo_file: ClassVar[Path]
    api_url: ClassVar[str] = ""
    messages: ClassVar[deque[Message]] = deque(maxlen=MESSAGES_KEPT)

    def do_POST(self) -> None:
        """Verify and keep a message."""
        length = min(int(self.headers.get("content-length") or 0), BODY_BYTES_MAX)
        body = self.rfile.read(length)
        message_id = str(self.headers.get("webhook-id", ""))
        self.messages.appendleft(Message(datetime.now(UTC), self.path, message_id, self._verified(body), _pretty(body)))
        self._respond(BROKEN.get(self.path, HTTPStatus.OK), "text/plain", "")

    def do_GET(self) -> None:
        """Show the page, or the messages as JSON at `/messages`."""
        if self.path == "/product":
            page = product_page(self.api_url, self.demo_file, f"http://{self.headers.get('Host', '')}")
            self._respond(HTTPStatus.OK, "text/html; charset=utf-8", page)
            return
        found = list(self.messages)
        if self.path == "/messages":
            rows = [{"path": one.path, "id": one.id, "verified": one.verified, "body": one.body} for one in found]
            self._respond(HTTPStatus.OK, "application/json", json.dumps(rows))
            return
        shown = "".join(one.as_html() for one in found) or "<p>Nothing yet.</p>"
        self._respond(HTTPStatus.OK, "text/html; charset=utf-8", PAGE.format(messages=shown))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Write nothing: the terminal belongs to the run."""

    def _verified(self, body: bytes) -> str:
        secret = _secret(self.demo_file)
        if not secret:
            return "not verified: no secret is known"
        try:
            Webhook(secret).verify(body, dict(self.headers.items()))
        except (WebhookVerificationError, ValueError) as error:
            return f"not verified: {error}"
        return "signature verified"

    def _respond(self, status: HTTPStatus, media_type: str, text: str) -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(content)))
        if status is HTTPStatus.TOO_MANY_REQUESTS:
            self.send_header("Retry-After", "30")
        self.end_headers()
        self.wfile.write(content)


def serve(port: int, demo_file: Path, api_url: str = "") -> None:
    """Listen on this machine alone."""
    Receiver.demo_file, Receiver.api_url = demo_file, api_url
    ThreadingHTTPServer(("127.0.0.1", port), Receiver).serve_forever()


def _secret(demo_file: Path) -> str:
    try:
        demo = json.loads(demo_file.read_text())
    except (OSError, json.JSONDecodeError):
        return ""
    return str(demo.get(SECRET_NAME) or "") if isinstance(demo, dict) else ""


def _pretty(body: bytes) -> str:
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body.decode(errors="replace")
