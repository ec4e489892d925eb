"""Issue and check embed tokens. Nothing is stored: a token names its key, whose state is looked up at each use."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.conf import settings

from accounts.at_rest import embed_keys
from accounts.domain.embed_token import (
    SCOPE_OF,
    EmbedToken,
    Shown,
    checked_site,
    expiry_of,
    write_embed_token,
)
from accounts.domain.identifiers import uuid7
from accounts.domain.principal import Principal
from accounts.errors import ScopeMissingError


@dataclass(frozen=True, slots=True)
class IssuedEmbedToken:
    """A new token and what it says."""

    text: str = field(repr=False)
    token: EmbedToken


def issue_embed_token(
    *,
    principal: Principal,
    tenant_id: UUID,
    shows: Collection[Shown],
    audience: str,
    seconds: int,
    as_of: datetime,
) -> IssuedEmbedToken:
    """Issue a token that shows some of a tenant's figures on one site. It never outlives the key.

    Raises `ScopeMissingError` if the key may not read them itself, `AudienceNotAllowedError`, `InvalidFieldsError`.
    """
    for shown in sorted(shows):
        if SCOPE_OF[shown] not in principal.scopes:
            raise ScopeMissingError(f"The key lacks the scope {SCOPE_OF[shown].value}, which {shown.value} needs.")
    token = EmbedToken(
        key_id=principal.key_id,
        tenant_id=tenant_id,
        shows=frozenset(shows),
        site=checked_site(audience, allowed=settings.EMBED_FRAME_ANCESTORS),
        begins_at=as_of,
        expires_at=expiry_of(as_of, seconds, principal.expires_at),
    )
    text = write_embed_token(token, token_id=uuid7(as_of), issuer=settings.PUBLIC_URL, key=embed_keys()[0])
    return IssuedEmbedToken(text, token)
