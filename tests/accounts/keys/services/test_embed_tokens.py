"""Issuing embed tokens: no more than the key may read, and never longer than it lives."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from pytest_django import Settings

from accounts.domain.api_key import KeyKind
from accounts.domain.embed_token import Shown
from accounts.domain.principal import Principal
from accounts.domain.scopes import Scope
from accounts.errors import AudienceNotAllowedError, ScopeMissingError
from accounts.keys.services.embed_tokens import issue_embed_token

SITE = "https://app.example.com"
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
KEY = Principal(
    key_id=uuid4(),
    kind=KeyKind.SERVICE,
    name="Product",
    prefix="ch_svc_12345",
    scopes=frozenset({Scope.USAGE_READ}),
    allowed_cidrs=(),
    expires_at=None,
    throttle_rate=None,
    throttle_burst=None,
    quota=None,
    tenant=None,
)


def issue(principal: Principal = KEY, *, shows: Shown = Shown.USAGE, audience: str = SITE) -> datetime:
    issued = issue_embed_token(
        principal=principal, tenant_id=uuid4(), shows=[shows], audience=audience, seconds=900, as_of=NOW
    )
    return issued.token.expires_at


def test_a_token_shows_what_its_key_may_read_where_the_operator_allows_it(settings: Settings) -> None:
    settings.EMBED_FRAME_ANCESTORS = [SITE]

    assert issue() == NOW + timedelta(minutes=15)
    assert issue(replace(KEY, expires_at=NOW + timedelta(minutes=1))) == NOW + timedelta(minutes=1)
    with pytest.raises(ScopeMissingError, match="billing:read"):
        issue(shows=Shown.SPEND)
    with pytest.raises(AudienceNotAllowedError):
        issue(audience="https://b.example")
