"""Staff of each group in the admin: Robin may do everything, Bo bills, Kim supports, Pat reads; Alice is a customer."""

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from accounts.models import User


def _signed_in(email: str, group: str = "", **rank: bool) -> Client:
    user = User.objects.create_user(email, None, **rank)
    if group:
        user.groups.add(Group.objects.get(name=group))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def as_robin(db: None) -> Client:
    return _signed_in("robin@example.org", is_staff=True, is_superuser=True)


@pytest.fixture
def as_bo(db: None) -> Client:
    return _signed_in("bo@example.org", "Billing", is_staff=True)


@pytest.fixture
def as_kim(db: None) -> Client:
    return _signed_in("kim@example.org", "Support", is_staff=True)


@pytest.fixture
def as_pat(db: None) -> Client:
    return _signed_in("pat@example.org", "Read-only", is_staff=True)


@pytest.fixture
def as_alice(db: None) -> Client:
    return _signed_in("alice@acme.example")
