"""`in` for many ids is sent as one array, and finds what Django's own finds."""

from collections.abc import Callable, Collection
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.database.lookups import MANY
from accounts.models import Membership, Tenant, User
from tests.metering.ledger_world import make_tenant

pytestmark = pytest.mark.django_db
OTHERS = [UUID(int=number) for number in range(MANY)]


def statement_of(rows: Any) -> tuple[list[Any], str]:
    with CaptureQueriesContext(connection) as sent:
        found = list(rows)
    [statement] = [query["sql"] for query in sent]
    return found, statement


@pytest.mark.parametrize("collected", [list, tuple, set, frozenset, dict.fromkeys])
def test_many_ids_are_one_array(collected: Callable[[list[UUID]], Collection[UUID]]) -> None:
    acme, _ = make_tenant("acme"), make_tenant("another")

    found, statement = statement_of(Tenant.objects.filter(pk__in=collected([acme.pk, *OTHERS])))

    assert found == [acme]
    assert "::uuid[])" in statement
    assert " IN (" not in statement


def test_ids_of_a_relation_and_its_opposite() -> None:
    acme, another = make_tenant("acme"), make_tenant("another")
    user = User.objects.create_user("ada@example.com")
    for tenant in (acme, another):
        Membership.objects.create(user=user, tenant=tenant, role="viewer", created_at=acme.created_at)
    many = [acme.pk, *OTHERS]

    assert [row.tenant for row in Membership.objects.filter(tenant__in=many)] == [acme]
    assert [row.tenant for row in Membership.objects.exclude(tenant__in=many)] == [another]
    assert [row.tenant for row in Membership.objects.filter(tenant__slug="acme", user__in=[user.pk])] == [acme]


def test_many_whole_numbers_are_one_array_and_those_too_large_are_left_to_django() -> None:
    first = Permission.objects.order_by("pk")[0]
    many = [first.pk, *range(-MANY, 0)]

    found, statement = statement_of(Permission.objects.filter(pk__in=many))

    assert found == [first]
    assert "::bigint[])" in statement
    assert list(Permission.objects.filter(pk__in=[*many, 2**70])) == [first]


def test_all_else_is_left_to_django() -> None:
    acme = make_tenant("acme")
    few, statement = statement_of(Tenant.objects.filter(pk__in=[acme.pk, *OTHERS[:2]]))
    assert few == [acme]
    assert " IN (" in statement
    assert list(Tenant.objects.filter(pk__in=[])) == []
    assert list(Tenant.objects.filter(pk__in=[acme.pk, None, *OTHERS])) == [acme]
    assert list(Tenant.objects.filter(pk__in=[str(acme.pk), *OTHERS])) == [acme]
    assert list(Tenant.objects.filter(slug__in=["acme", *map(str, range(MANY))])) == [acme]
    assert list(Tenant.objects.filter(pk__in=Tenant.objects.filter(slug="acme"))) == [acme]
    assert Tenant.objects.in_bulk([acme.pk, *OTHERS]) == {acme.pk: acme}
