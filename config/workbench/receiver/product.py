"""A page of a made-up product that shows usage, spend and invoices in frames, as a seller's own server would."""

import html
import json
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

TENANT: Final = "northwind-maps"
SECONDS: Final = 5
PAGE: Final = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<title>Wayfinder: your account</title><style>
body{{font:16px/1.5 system-ui;max-width:70rem;margin:2rem auto;padding:0 1rem}}
iframe{{width:100%;height:26rem;border:1px solid #8886;border-radius:6px}}</style></head><body>
<h1>Wayfinder: your account</h1><p>A page of another product on another origin. Its server asked for a token of 15
minutes with <code>POST /api/v1/embed-tokens</code>, and each frame shows what the token allows.</p>
{frames}</body></html>"""
_THEME: Final = "&accent=7a1f5c&accent_dark=f0a6d6&size=15"


def product_page(api_url: str, demo_file: Path, site: str) -> str:
    """Return the page; without the demo's service key, or without an answer, the reason why there are no frames."""
    try:
        frames = _frames(api_url, json.loads(demo_file.read_text())["service_key"], site)
    except (OSError, ValueError, KeyError) as error:
        return PAGE.format(frames=f"<p>No token: {html.escape(str(error))}</p>")
    shown = "".join(
        f'<h2>{name.title()}</h2><iframe src="{html.escape(url + _THEME)}" title="{name.title()}"></iframe>'
        for name, url in frames.items()
    )
    return PAGE.format(frames=shown)


def _frames(api_url: str, service_key: str, site: str) -> dict[str, str]:
    """Fetch a token, and return the address of each frame. Raises `OSError`, or `ValueError` with what was answered."""
    place = urlsplit(api_url)
    connection = HTTPConnection(place.hostname or "", place.port, timeout=SECONDS)
    body = json.dumps({"shows": ["usage", "spend", "invoices"], "audience": site})
    headers = {"Authorization": f"Bearer {service_key}", "X-Tenant": TENANT, "Content-Type": "application/json"}
    try:
        connection.request("POST", "/api/v1/embed-tokens", body, headers)
        answer = connection.getresponse()
        content = json.loads(answer.read())
    finally:
        connection.close()
    if answer.status != HTTPStatus.OK:
        raise ValueError(content.get("detail", "no answer"))
    return {name: str(url) for name, url in content["frames"].items()}
