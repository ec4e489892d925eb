"""The runner's messages in the terminal."""

import json
import sys
from pathlib import Path
from typing import Any

from config.workbench.runner.plan import RunPlan


def say(text: str) -> None:
    """Print one message at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def welcome(plan: RunPlan) -> str:
    """Return what a newcomer needs, on one screen, with the logins of the demo data."""
    demo = _demo(plan.data_dir / "demo.json")
    lines = [
        "",
        f"  Countinghouse is running.   Ctrl-C or `make stop` stops it; its data is in {plan.data_dir}",
        "",
        _line("Portal", f"{plan.url}/", demo.get("customer_email"), demo.get("customer_password")),
        _line("Admin", f"{plan.url}/admin/", demo.get("staff_email"), demo.get("staff_password")),
        _line("API", f"{plan.url}/api/v1/"),
    ]
    if plan.stripe_url:
        lines.append(_line("Stripe", f"{plan.stripe_url}/", "a fake: no real money,", "card 4242 4242 4242 4242"))
    if plan.paddle_url:
        lines.append(_line("Paddle", f"{plan.paddle_url}/", "a fake: no real money"))
    if plan.receiver_url:
        lines.append(_line("Hooks", f"{plan.receiver_url}/", "webhooks of the demo arrive here"))
        lines.append(_line("Embedded", f"{plan.receiver_url}/product", "usage, spend and invoices in another product"))
    if "api_key" in demo:
        lines += ["", f"  Live API key   {demo['api_key']}", f"  Service key    {demo.get('service_key', '')}"]
        lines += ["", "  Send an event, and watch it arrive in the portal:", "", *_curl(plan.url, demo["api_key"])]
    return "\n".join([*lines, ""])


def _demo(path: Path) -> dict[str, Any]:
    try:
        demo = json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return demo if isinstance(demo, dict) else {}


def _line(name: str, url: str, *more: str | None) -> str:
    return f"  {name:<7} {url:<32} {'  '.join(filter(None, more))}".rstrip()


def _curl(url: str, api_key: str) -> list[str]:
    # The shell puts the time into the id, so that each call is a new event.
    return [
        f"  curl -i {url}/api/v1/events \\",
        f"    -H 'Authorization: Bearer {api_key}' -H 'Content-Type: application/json' \\",
        (
            '    -d \'{"id": "try-\'$(date +%s%N)\'", "type": "http_request", "properties": {"resource_path": '
            '"/hello", '
            '"status": 200}}\''
        ),
    ]
