"""Settings that are valid by themselves and contradict one another are refused, with a message that says what to do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.checks import Error
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from config.environment import openid_apps
from config.operations.checks import check_settings, refuse_contradictions

ROOT = Path(__file__).resolve().parents[3]


def ids() -> list[str | None]:
    return [message.id for message in check_settings(None)]


@pytest.fixture
def production(settings: Settings) -> Settings:
    """Return the settings of a production in which nothing is wrong."""
    settings.IS_PRODUCTION = settings.IS_HTTPS = settings.STAFF_SECOND_FACTOR = True
    settings.DEBUG = settings.ALLOW_HTTP = False
    settings.PUBLIC_URL = "https://money.example.com"
    settings.ALLOWED_HOSTS = ["money.example.com"]
    settings.TRUSTED_PROXY_COUNT = 1
    settings.STRIPE_SECRET_KEY, settings.STRIPE_LIVE_MODE = "sk_live_x", True
    settings.STRIPE_WEBHOOK_SECRET, settings.STRIPE_WEBHOOK_UUID = "whsec_x", "3f0e8f5c-6a1d-4f0e-9a55-0b6c1d2e3f40"
    settings.STRIPE_API_HOST_GIVEN = ""
    return settings


@pytest.mark.usefixtures("production")
def test_a_production_without_contradictions_passes() -> None:
    assert ids() == []
    refuse_contradictions()


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("DEBUG", True, "countinghouse.E001"),
        ("IS_HTTPS", False, "countinghouse.E002"),
        ("ALLOWED_HOSTS", ["other.example.com"], "countinghouse.E003"),
        ("STAFF_SECOND_FACTOR", False, "countinghouse.E008"),
        ("STRIPE_API_HOST_GIVEN", "http://127.0.0.1:12111", "countinghouse.E004"),
        ("TRUSTED_PROXY_COUNT", 0, "countinghouse.W001"),
        ("STRIPE_WEBHOOK_UUID", "", "countinghouse.W002"),
        ("EVENT_RETENTION_MONTHS", 3, "countinghouse.E012"),
    ],
)
def test_each_contradiction_of_settings_is_found(production: Settings, name: str, value: object, found: str) -> None:
    setattr(production, name, value)
    assert ids() == [found]


def test_incomplete_single_sign_on_is_found(production: Settings) -> None:
    apps = [
        app
        for name in ("customers", "staff")
        for app in openid_apps(name, "http://login.example.com", client_id="same", secret="s", name=name)
    ]
    production.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": apps}}
    assert ids() == ["countinghouse.E009", "countinghouse.E011", "countinghouse.E010"]


@pytest.mark.parametrize(("name", "value"), [("ALLOWED_HOSTS", ["*"]), ("ALLOWED_HOSTS", [".example.com"])])
def test_a_host_may_be_given_by_a_pattern(production: Settings, name: str, value: object) -> None:
    setattr(production, name, value)
    assert ids() == []


def test_an_endpoint_that_the_setup_makes_by_itself_needs_no_secret(production: Settings) -> None:
    production.STRIPE_WEBHOOK_SECRET = production.STRIPE_WEBHOOK_UUID = ""
    assert ids() == []
    production.PUBLIC_URL = "https://localhost:8443"
    production.ALLOWED_HOSTS = ["localhost"]
    assert ids() == ["countinghouse.W003"]


def test_http_is_permitted_for_a_trial_and_outside_of_production(production: Settings) -> None:
    production.IS_HTTPS = False
    production.ALLOW_HTTP = True
    assert ids() == []
    production.ALLOW_HTTP = production.IS_PRODUCTION = False
    production.DEBUG = True
    assert ids() == []


def test_the_web_server_refuses_errors_and_accepts_warnings(production: Settings) -> None:
    production.TRUSTED_PROXY_COUNT = 0
    refuse_contradictions()
    production.DEBUG = True
    production.ALLOWED_HOSTS = []
    with pytest.raises(ImproperlyConfigured, match=r"DEBUG is on .* PUBLIC_URL names money\.example\.com"):
        refuse_contradictions()
    assert all(isinstance(message, Error) for message in check_settings(None) if message.id != "countinghouse.W001")


@pytest.mark.takes_long("it starts the web server")
def test_the_web_server_runs_the_checks_before_it_serves() -> None:
    # A granian imports `config.wsgi` and nothing else: no command runs the checks for it.
    environment = os.environ | {
        "COUNTINGHOUSE_PROFILE": "production",
        "SECRET_KEY": "x" * 50,
        "PUBLIC_URL": "https://money.example.com",
        "DATABASE_URL": "postgres://unknown@127.0.0.1:1/none",
        "DEBUG": "1",
    }
    program = subprocess.run(
        [sys.executable, "-c", "import config.wsgi"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert program.returncode != 0
    assert "DEBUG is on in the production profile" in program.stderr
