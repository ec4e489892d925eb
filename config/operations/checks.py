"""Checks for settings that contradict one another.

`manage.py check` names them, and each command and the web server refuse them.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register, run_checks  # noqa: A004 - Django's name
from django.core.exceptions import ImproperlyConfigured
from django.http.request import validate_host

from metering.domain.retention import MONTHS_LEAST

TAG: Final = "contradictions"


@register(TAG)
def check_settings(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:  # noqa: ARG001 - Django's signature
    """Return the contradictions among settings that are each valid."""
    return [*_production(), *_addresses(), *_single_sign_on(), *_retention(), *_providers()]


def refuse_contradictions() -> None:
    """Raise `ImproperlyConfigured` before the web server serves, which runs none of Django's command checks."""
    found = [message for message in run_checks(tags=[TAG]) if message.is_serious()]
    if found:
        raise ImproperlyConfigured(" ".join(message.msg for message in found))


def _production() -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if not settings.IS_PRODUCTION:
        return found
    if settings.DEBUG:
        found.append(
            Error(
                "DEBUG is on in the production profile: it would show secrets to strangers. Unset one of the two.",
                id="countinghouse.E001",
            )
        )
    if not settings.IS_HTTPS and not settings.ALLOW_HTTP:
        found.append(
            Error(
                "PUBLIC_URL must begin with https:// in production"
                " (ALLOW_HTTP=1 permits http for a trial on a private network).",
                id="countinghouse.E002",
            )
        )
    if not settings.STAFF_SECOND_FACTOR:
        found.append(
            Error(
                "STAFF_SECOND_FACTOR is off in the production profile: a staff password alone would open the admin.",
                id="countinghouse.E008",
            )
        )
    if settings.WEBHOOK_ALLOWED_NETWORKS:
        found.append(
            Error(
                "WEBHOOK_ALLOWED_NETWORKS is set in the production profile: customers could have us call addresses that"
                " are not public. It is for development.",
                id="countinghouse.E013",
            )
        )
    return found


def _addresses() -> list[CheckMessage]:
    host = urlsplit(settings.PUBLIC_URL).hostname or ""
    found: list[CheckMessage] = []
    if not validate_host(host, settings.ALLOWED_HOSTS):
        found.append(
            Error(
                f"PUBLIC_URL names {host}, which is not among ALLOWED_HOSTS: each link of ours would be refused.",
                id="countinghouse.E003",
            )
        )
    if settings.IS_HTTPS and not settings.TRUSTED_PROXY_COUNT:
        found.append(
            Warning(
                "PUBLIC_URL begins with https:// and TRUSTED_PROXY_COUNT is 0: behind a proxy that ends TLS,"
                " each request would be redirected to itself. Set it to the number of proxies.",
                id="countinghouse.W001",
            )
        )
    return found


def _single_sign_on() -> list[CheckMessage]:
    apps = settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"]
    found: list[CheckMessage] = []
    if any(app["provider_id"] == "staff" for app in apps) and not settings.STAFF_OIDC_VALUE:
        found.append(
            Error(
                "STAFF_OIDC_ISSUER is set without STAFF_OIDC_VALUE: nothing would define who is staff.",
                id="countinghouse.E009",
            )
        )
    if len({app["client_id"] for app in apps}) < len(apps):
        found.append(
            Error(
                "OIDC_CLIENT_ID and STAFF_OIDC_CLIENT_ID are the same: a half-finished sign-in is found by it.",
                id="countinghouse.E011",
            )
        )
    if settings.IS_PRODUCTION and any(app["settings"]["server_url"].startswith("http://") for app in apps):
        found.append(
            Error(
                "An issuer of single sign-on begins with http:// in production: whoever is on the way could sign in.",
                id="countinghouse.E010",
            )
        )
    return found


def _retention() -> list[CheckMessage]:
    if not 0 < settings.EVENT_RETENTION_MONTHS < MONTHS_LEAST:
        return []
    return [
        Error(
            f"EVENT_RETENTION_MONTHS is {settings.EVENT_RETENTION_MONTHS}: invoices look at events for up to"
            f" {MONTHS_LEAST} months. Set it to {MONTHS_LEAST} or more, or to 0 to keep events for good.",
            id="countinghouse.E012",
        )
    ]


def _providers() -> list[CheckMessage]:
    """Return the findings of each payment provider about its own settings."""
    folders = [import_module(f"{folder}.settings") for folder in settings.PAYMENT_PROVIDERS]
    return [message for folder in folders for message in folder.check_settings()]
