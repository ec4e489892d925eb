"""The demo's leaked key: refused at the end, with usage since the leak that staff can void."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts.domain.actor import Actor
from accounts.domain.api_key import KeyKind
from accounts.domain.roles import Role
from accounts.domain.scopes import Scope
from accounts.keys.services.api_keys import KeyTerms, create_api_key
from accounts.models import KeyLeak, Membership, User
from config.workbench.demo.leaks import CALLS, leak_key
from metering.selectors.key_usage import KeySpan, uses_of_key
from metering.services.key_leaks import void_usage_after_leak
from metering.services.reconciliation import reconcile
from tests.metering.ledger_world import ledger_of, make_tenant

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.mark.django_db
def test_the_first_report_has_usage_to_void_and_the_second_none() -> None:
    tenant, user = make_tenant("acme"), User.objects.create_user("owner@example.com")
    Membership.objects.create(tenant=tenant, user=user, role=Role.OWNER, created_at=NOW)
    owner = Actor.member(user_id=user.pk, label=user.email)
    terms = KeyTerms(name="Website", scopes=(Scope.EVENTS_WRITE,))
    created = create_api_key(tenant=tenant, kind=KeyKind.LIVE, terms=terms, actor=owner, as_of=NOW)
    leak_key(created=created, tenant=tenant, owner=owner, as_of=NOW - timedelta(days=2))
    created.key.refresh_from_db()
    assert created.key.quarantined_at is not None
    first, second = KeyLeak.objects.order_by("reported_at")
    uses = uses_of_key(KeySpan(ledger_of(tenant), created.key.pk, first.reported_at, NOW))
    assert [(use.endpoint, use.events) for use in uses] == [("/v1/geocode", 90), ("/v1/matrix", 30)]
    assert uses_of_key(KeySpan(ledger_of(tenant), created.key.pk, second.reported_at, NOW)) == []
    act = void_usage_after_leak(leak_id=first.pk, since=first.reported_at, until=NOW, actor=owner, as_of=NOW)
    assert (act.events, act.has_more) == (CALLS, False)
    assert reconcile(ledgers=[ledger_of(tenant)]).is_clean
