"""The cast: Alice owns Acme, Bob administers, Dora develops, Vera views; Charlie of Rival must see nothing of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.test import Client

from accounts.domain.roles import Role
from accounts.models import Membership, Tenant, User
from metering.selectors.catalog import forget_catalog
from metering.selectors.limits import forget_limits
from tests.metering.ledger_world import LONG_AGO, make_tenant

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
BILL = "bill@example.com"
BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture(autouse=True)
def at_noon() -> Iterator[None]:
    """Stop the clock that the views read at noon."""
    with time_machine.travel(NOW, tick=False):
        yield


def make_user(email: str, name: str = "") -> User:
    user = User.objects.create_user(email, None, name=name)  # hashing a password takes longer than the test
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    return user


def join(user: User, tenant: Tenant, role: Role) -> Membership:
    return Membership.objects.create(tenant=tenant, user=user, role=role, created_at=LONG_AGO)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend=BACKEND)
    return client


@dataclass(frozen=True)
class Cast:
    """Every member of the cast, by name."""

    acme: Tenant
    rival: Tenant
    alice: User
    bob: User
    dora: User
    vera: User
    charlie: User

    def of_role(self, role: Role) -> User:
        """Return a member of Acme with a role; the one who manages billing joins when a test asks for them."""
        if role is Role.BILLING:
            return User.objects.filter(email=BILL).first() or join(make_user(BILL), self.acme, role).user
        return {Role.OWNER: self.alice, Role.ADMIN: self.bob, Role.DEVELOPER: self.dora, Role.VIEWER: self.vera}[role]


def make_cast() -> Cast:
    acme, rival = make_tenant("acme", time_zone="Europe/Paris"), make_tenant("rival")
    people = {name: make_user(f"{name}@example.com") for name in ("alice", "bob", "dora", "vera", "charlie")}
    for name, role in (("alice", Role.OWNER), ("bob", Role.ADMIN), ("dora", Role.DEVELOPER), ("vera", Role.VIEWER)):
        join(people[name], acme, role)
    join(people["charlie"], rival, Role.OWNER)
    return Cast(acme=acme, rival=rival, **people)


@pytest.fixture
def cast(db: None) -> Cast:
    return make_cast()


@pytest.fixture
def alice(cast: Cast) -> Client:
    return signed_in(cast.alice)


@pytest.fixture
def query_count(django_assert_max_num_queries: Callable[..., object]) -> Callable[[Client, str], int]:
    """Return how many queries a page takes, once the session is known."""

    def count(client: Client, url: str) -> int:
        client.get(url)
        # Otherwise it depends on the machine whether a value that a process remembers for a second is read again.
        forget_catalog()
        forget_limits()
        with django_assert_max_num_queries(50) as captured:  # type: ignore[attr-defined]
            assert client.get(url).status_code == 200
        return len(captured)

    return count
