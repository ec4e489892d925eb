"""How the environment wires Stripe: to itself, to a fake, or to nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.takes_long("each case starts a process")

ROOT = Path(__file__).resolve().parents[2]
SHOWN = ("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_UUID", "STRIPE_API_HOST", "CONTENT_SECURITY_POLICY")
PROGRAM = f"""
import json
from django.conf import settings
from billing.collection.gateways.stripe.api import api_host
shown = {{name: getattr(settings, name, None) for name in {SHOWN!r}}}
print(json.dumps(shown | {{"api_base": api_host()}}))
"""


def start(**environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("STRIPE_")}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def settings_with(**environment: str) -> dict[str, Any]:
    program = start(**environment)
    assert program.returncode == 0, program.stderr
    return json.loads(program.stdout)


def test_without_a_key_nothing_leads_away_from_here() -> None:
    settings = settings_with()
    assert (settings["STRIPE_SECRET_KEY"], settings["STRIPE_API_HOST"]) == ("", None)
    assert settings["CONTENT_SECURITY_POLICY"]["DIRECTIVES"]["form-action"] == ["'self'"]


def test_with_a_key_forms_still_end_here() -> None:
    settings = settings_with(STRIPE_SECRET_KEY="sk_live_abc")
    assert settings["CONTENT_SECURITY_POLICY"]["DIRECTIVES"]["form-action"] == ["'self'"]
    assert settings["api_base"] == "https://api.stripe.com"


def test_a_fake_is_reached_by_its_address() -> None:
    fake = "http://127.0.0.1:12111"
    settings = settings_with(STRIPE_SECRET_KEY="sk_test_abc", STRIPE_API_HOST=f"{fake}/")
    assert settings["STRIPE_API_HOST"] == settings["api_base"] == fake
    assert settings["CONTENT_SECURITY_POLICY"]["DIRECTIVES"]["form-action"] == ["'self'"]


def test_the_webhooks_address_is_known_beforehand_outside_of_production() -> None:
    given = "0190B1F2-7C3D-7000-8000-000000000001"
    assert settings_with(STRIPE_WEBHOOK_UUID=given)["STRIPE_WEBHOOK_UUID"] == given.lower()
    production = {"COUNTINGHOUSE_PROFILE": "production", "SECRET_KEY": "x" * 50, "PUBLIC_URL": "https://x.example"}
    assert settings_with()["STRIPE_WEBHOOK_UUID"]
    assert settings_with(**production)["STRIPE_WEBHOOK_UUID"] == ""


def test_a_live_key_goes_to_stripe_alone() -> None:
    settings = settings_with(STRIPE_SECRET_KEY="sk_live_abc", STRIPE_API_HOST="http://127.0.0.1:12111")
    assert settings["STRIPE_API_HOST"] is None
    assert settings["api_base"] == "https://api.stripe.com"


def test_what_makes_no_sense_is_one_sentence() -> None:
    program = start(STRIPE_WEBHOOK_UUID="webhook")
    assert program.returncode != 0
    assert "STRIPE_WEBHOOK_UUID is 'webhook'; it must be a UUID" in program.stderr
