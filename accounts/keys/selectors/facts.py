"""Keys as values."""

from accounts.keys.domain.happenings import KeyFacts
from accounts.models import ApiKey


def facts_of_key(key: ApiKey) -> KeyFacts:
    """Return a tenant's key as the API and webhooks show it."""
    assert key.tenant_id is not None, "a service key belongs to no tenant, and has no webhooks"
    return KeyFacts(
        id=key.pk,
        tenant_id=key.tenant_id,
        kind=key.kind,
        name=key.name,
        prefix=key.prefix,
        last_four=key.last_four,
        environment=key.environment,
        tags=tuple(key.tags),
        scopes=tuple(key.scopes),
        allowed_cidrs=tuple(key.allowed_cidrs),
        quota=key.quota,
        throttle_rate=key.throttle_rate,
        throttle_burst=key.throttle_burst,
        rotated_from=key.rotated_from_id,
        created_at=key.created_at,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
        last_used_at=key.last_used_at,
        quarantined_at=key.quarantined_at,
    )
