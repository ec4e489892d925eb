"""Issuing access tokens: they never outlive their key, and an older signing secret still verifies."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from pytest_django import Settings

from accounts.domain.scopes import Scope
from accounts.keys.domain.token_requests import TokenRequest, TokenRequestError
from accounts.keys.services.access_tokens import issue_access_token
from accounts.keys.services.api_keys import CreatedKey
from accounts.models import Tenant
from accounts.selectors.api_keys import find_principal, forget_keys
from tests.accounts.conftest import KeyMaker


def test_a_token_is_its_key_with_fewer_scopes_until_its_end(acme: Tenant, make_key: KeyMaker, now: datetime) -> None:
    key = make_key(acme, expires_at=now + timedelta(seconds=100), quota=Decimal(5))
    asked = TokenRequest(key.key.prefix, key.secret, frozenset({Scope.USAGE_READ}))
    issued = issue_access_token(request=asked, address="", as_of=now)
    assert issued.expires_in_seconds == 100
    assert key.secret not in repr(issued)
    principal = find_principal(issued.text, now)
    assert principal is not None
    assert (principal.key_id, principal.scopes, principal.quota) == (key.key.pk, {Scope.USAGE_READ}, 5)
    assert find_principal(issued.text, now + timedelta(seconds=100)) is None


def test_tokens_of_an_earlier_signing_secret_work_until_it_is_dropped(
    acme_key: CreatedKey, now: datetime, settings: Settings
) -> None:
    asked = TokenRequest(str(acme_key.key.pk), acme_key.secret)
    token = issue_access_token(request=asked, address="", as_of=now).text
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "n" * 50, [settings.SECRET_KEY]
    forget_keys()
    assert find_principal(token, now) is not None
    settings.SECRET_KEY_FALLBACKS = []
    forget_keys()
    assert find_principal(token, now) is None
    with pytest.raises(TokenRequestError):
        issue_access_token(request=TokenRequest(str(acme_key.key.pk), token), address="", as_of=now)
