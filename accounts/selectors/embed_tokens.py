"""What an embed token opens now: its key must still work, and may still read what the token shows."""

from dataclasses import replace
from datetime import datetime

from django.conf import settings

from accounts.at_rest import embed_keys
from accounts.domain.embed_token import SCOPE_OF, EmbedToken, read_embed_token
from accounts.selectors.api_keys import principal_named


def open_embed_token(text: str, as_of: datetime) -> EmbedToken | None:
    """Return a valid token with what its key may still read; None if it or its key does not work any more."""
    token = read_embed_token(text, issuer=settings.PUBLIC_URL, keys=embed_keys())
    if token is None or not token.is_valid_at(as_of) or token.site not in settings.EMBED_FRAME_ANCESTORS:
        return None
    principal = principal_named(token.key_id, as_of)
    if principal is None or principal.is_quarantined:
        return None
    if principal.tenant is not None and principal.tenant.id != token.tenant_id:
        return None
    return replace(token, shows=frozenset(shown for shown in token.shows if SCOPE_OF[shown] in principal.scopes))
