"""Staff and a customer with a password, and codes as an app on a phone shows them."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from accounts.models import User

PASSWORD = "correct horse battery staple"
BACKEND = "django.contrib.auth.backends.ModelBackend"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture
def quick_hashing(settings: Any) -> None:
    """Hash passwords fast: the tests try who may sign in, not how long a guess takes."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def clean_cache(db: None) -> None:
    """Clear the shared cache, which counts attempts and remembers codes across tests too."""
    cache.clear()


@pytest.fixture
def still_clock() -> Iterator[None]:
    """Stop the clock: a code of an authenticator app lasts half a minute, and a busy machine could let it expire."""
    with time_machine.travel(datetime.now(UTC), tick=False):
        yield


def make_user(email: str, *, password: str | None = None, **traits: Any) -> User:
    user = User.objects.create_user(email, password, **traits)
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    return user


@pytest.fixture
def robin(db: None, quick_hashing: None) -> User:
    return make_user("robin@example.org", password=PASSWORD, is_staff=True, is_superuser=True)


@pytest.fixture
def dora(db: None, quick_hashing: None) -> User:
    return make_user("dora@example.com", password=PASSWORD)


def entered(user: User) -> Client:
    """Return a browser with a session, without a sign-in."""
    client = Client()
    client.force_login(user, backend=BACKEND)
    return client


def log_in(client: Client, email: str, password: str = PASSWORD, **extra: Any) -> Any:
    return client.post(reverse("account_login"), {"login": email, "password": password}, **extra)


def code_now(secret: str = SECRET) -> str:
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30))
