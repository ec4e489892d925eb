"""A key's own limits follow it through rotations: a new secret gets no new quota."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from accounts.domain.actor import Actor
from accounts.domain.api_key import KeyKind
from accounts.domain.principal import Principal
from accounts.keys.services.api_keys import CreatedKey, KeyTerms, create_api_key, rotate_api_key
from accounts.selectors.api_keys import find_principal
from metering.selectors.limits import ledger_of
from metering.services.limits.authorization import authorize
from metering.services.limits.counting import forget_counters
from tests.metering.ledger_world import make_tenant
from tests.metering.services.limits.limit_world import parsed_event

pytestmark = pytest.mark.django_db
AS_OF = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
OPERATOR = Actor.system("operator")


def principal_with(created: CreatedKey) -> Principal:
    principal = find_principal(created.secret, AS_OF)
    assert principal is not None
    return principal


def passes(principal: Principal, event_id: str) -> bool:
    assert principal.tenant is not None
    event = parsed_event({"id": event_id, "type": "http_request"}, AS_OF)
    return authorize(principal=principal, tenant=principal.tenant, event=event, as_of=AS_OF).decision.is_allowed


def test_a_rotated_key_continues_with_the_quota_of_the_first(backend: str) -> None:
    first = create_api_key(
        tenant=make_tenant("acme"),
        kind=KeyKind.LIVE,
        terms=KeyTerms(name="k", scopes=["events:write"], quota=Decimal(3)),
        actor=OPERATOR,
        as_of=AS_OF,
    )
    second = rotate_api_key(key=first.key, grace=timedelta(hours=1), actor=OPERATOR, as_of=AS_OF)
    third = rotate_api_key(key=second.key, grace=timedelta(hours=1), actor=OPERATOR, as_of=AS_OF)
    allowed = [
        passes(principal_with(key), f"{n}") for n, key in enumerate([first, second, third, third, second, first])
    ]
    assert allowed == [True, True, True, False, False, False]
    principal = principal_with(third)
    assert principal.tenant is not None
    forget_counters(ledger=ledger_of(principal, principal.tenant), as_of=AS_OF)
    assert not passes(principal, "summed up from the ledger")
