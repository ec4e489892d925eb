"""What an embed token opens depends on its key now; `tests/portal/test_embedding.py` tries it through the pages."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.at_rest import embed_keys, token_keys
from accounts.domain.embed_token import EmbedToken, Shown, write_embed_token
from accounts.models import ApiKey, Tenant
from accounts.selectors.api_keys import forget_keys
from accounts.selectors.embed_tokens import open_embed_token
from tests.metering.ledger_world import make_key, make_tenant

SITE = "https://app.example.com"
pytestmark = pytest.mark.django_db


@pytest.fixture
def acme(settings: Settings) -> Tenant:
    settings.EMBED_FRAME_ANCESTORS = [SITE]
    tenant: Tenant = make_tenant("acme")
    return tenant


def written(key: ApiKey, tenant_id: UUID, settings: Settings, *, is_for_frames: bool = True) -> str:
    now = timezone.now()
    token = EmbedToken(key.pk, tenant_id, frozenset(Shown), SITE, now, now + timedelta(minutes=1))
    signer = (embed_keys() if is_for_frames else token_keys())[0]
    return write_embed_token(token, token_id=uuid4(), issuer=settings.PUBLIC_URL, key=signer)


def test_a_token_opens_what_its_key_may_still_read(acme: Tenant, settings: Settings) -> None:
    key, _ = make_key(acme, scopes=("usage:read",))

    opened = open_embed_token(written(key, acme.pk, settings), timezone.now())

    assert opened is not None
    assert (opened.tenant_id, opened.shows) == (acme.pk, {Shown.USAGE})
    assert open_embed_token(written(key, acme.pk, settings), timezone.now() + timedelta(minutes=1)) is None


def test_a_token_of_another_tenant_than_its_keys_of_a_quarantined_key_or_signed_for_the_api_opens_nothing(
    acme: Tenant, settings: Settings
) -> None:
    key, _ = make_key(acme, scopes=("usage:read",))
    assert open_embed_token(written(key, make_tenant("rival").pk, settings), timezone.now()) is None
    assert open_embed_token(written(key, acme.pk, settings, is_for_frames=False), timezone.now()) is None
    ApiKey.objects.filter(pk=key.pk).update(quarantined_at=timezone.now())
    forget_keys()
    assert open_embed_token(written(key, acme.pk, settings), timezone.now()) is None
