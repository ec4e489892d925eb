"""Keys: the principal of a presented secret, and the rows for lists.

Every API call runs `find_principal`: parse, checksum, SHA-256, and one look-up whose result is kept in the process for
0.75 s. An access token takes the same look-up, by the key that it names. So a revocation takes effect in every process
within a second, without messages between them.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db.models.expressions import RawSQL

from accounts.at_rest import token_keys
from accounts.domain.access_token import AccessToken, has_token_shape, read_token
from accounts.domain.api_key import KeyKind, digest_of, parse_key
from accounts.domain.pages import Page, PageRequest
from accounts.domain.principal import Principal
from accounts.domain.roles import Role
from accounts.domain.scopes import Scope, scopes_of_role
from accounts.domain.short_memory import ShortMemory
from accounts.errors import NotFoundError
from accounts.models import ApiKey
from accounts.selectors.pages import page_of
from accounts.selectors.tenants import facts_of
from accounts.sql import fetch_all

_principals: ShortMemory[bytes, Principal] = ShortMemory()
# Facts that never change: what a token says, by its SHA-256, after its signature was verified, and each key's digest.
_tokens: Final[dict[bytes, AccessToken]] = {}
_digests: Final[dict[UUID, bytes]] = {}
_REMEMBERED_MAX: Final = 10_000

# Any change of the key's row or its tenant's makes another version, a revocation too.
_VERSION: Final = "concat_ws(' ', accounts_apikey.xmin, accounts_tenant.xmin)"
VERSIONS: Final = """
SELECT digest, concat_ws(' ', accounts_apikey.xmin, accounts_tenant.xmin)
FROM accounts_apikey LEFT JOIN accounts_tenant ON accounts_tenant.id = tenant_id
WHERE digest = ANY(%(digests)s) AND revoked_at IS NULL
"""


def find_principal(presented: str, as_of: datetime) -> Principal | None:
    """Return the principal of a key or an access token at `as_of`.

    None if it is neither, if it is expired, or if the key is unknown, expired or revoked. A quarantined key has a
    principal, which says so: its caller is told, and refused.
    """
    if has_token_shape(presented):
        return _principal_of_token(presented, as_of)
    # A key that is remembered was parsed when it was read.
    principal = _principals.recall(digest_of(presented), as_of) if presented.isascii() else None
    if principal is None:
        parsed = parse_key(presented)
        if parsed is None:
            return None
        principal = _read(as_of, digest=parsed.digest)
    return _unless_expired(principal, as_of)


def principal_named(key_id: UUID, as_of: datetime) -> Principal | None:
    """Return the principal of a key by its id; None if it is unknown, expired or revoked."""
    of_key = _digests.get(key_id)
    principal = _principals.recall(of_key, as_of) if of_key is not None else None
    return _unless_expired(principal or _read(as_of, pk=key_id), as_of)


def _principal_of_token(text: str, as_of: datetime) -> Principal | None:
    """Return the principal of the token's key, with the scopes that the token has."""
    digest = digest_of(text)
    token = _tokens.get(digest)
    if token is None:
        token = read_token(text, issuer=settings.PUBLIC_URL, keys=token_keys())
        if token is None:
            return None
        if len(_tokens) >= _REMEMBERED_MAX:
            _tokens.clear()
        _tokens[digest] = token
    if not token.is_valid_at(as_of):
        return None
    principal = principal_named(token.key_id, as_of)
    return None if principal is None else replace(principal, scopes=principal.scopes & token.scopes)


def _unless_expired(principal: Principal | None, as_of: datetime) -> Principal | None:
    is_expired = principal is not None and principal.expires_at is not None and principal.expires_at <= as_of
    return None if is_expired else principal


def _read(as_of: datetime, **named: Any) -> Principal | None:
    """Read a working key with its tenant, and remember it."""
    found = ApiKey.objects.usable_at(as_of).filter(**named).select_related("tenant")
    key = found.annotate(version=RawSQL(_VERSION, [])).first()  # noqa: S611 - a constant
    if key is None:
        return None
    principal, digest = principal_of_key(key), bytes(key.digest)
    _principals.keep(digest, principal, as_of, version=key.version)
    if len(_digests) >= _REMEMBERED_MAX:
        _digests.clear()
    _digests[principal.key_id] = digest
    return principal


def forget_keys() -> None:
    """Clear this process's cache, so that it sees its own change at once."""
    _principals.forget_all()
    _tokens.clear()


def renew_principals(as_of: datetime) -> None:
    """Keep the cached principals of keys and tenants that did not change, by one query for all in use."""
    digests = _principals.renewable(as_of)
    if digests:
        rows = fetch_all(VERSIONS, {"digests": digests})
        _principals.renew(digests, {bytes(digest): version for digest, version in rows}, as_of)


def principal_of_key(key: ApiKey) -> Principal:
    """Return a stored key as the principal that requests carry."""
    return Principal(
        key_id=key.id,
        kind=KeyKind(key.kind),
        name=key.name,
        prefix=key.prefix,
        scopes=frozenset(Scope(name) for name in key.scopes),
        allowed_cidrs=tuple(key.allowed_cidrs),
        expires_at=key.expires_at,
        throttle_rate=key.throttle_rate,
        throttle_burst=key.throttle_burst,
        quota=key.quota,
        tenant=None if key.tenant is None else facts_of(key.tenant),
        family_id=key.family_id,
        is_quarantined=key.quarantined_at is not None,
    )


def keys_page(
    *, tenant_id: UUID, request: PageRequest, kinds: Collection[KeyKind], environment: str = "", tag: str = ""
) -> Page[ApiKey]:
    """Return a page of the tenant's keys of these kinds, including revoked and expired ones, newest first."""
    keys = ApiKey.objects.of_tenant(tenant_id).filter(kind__in=kinds)
    if environment:
        keys = keys.filter(environment=environment)
    if tag:
        keys = keys.filter(tags__contains=[tag])
    return page_of(keys, request, instant_field="created_at", parse_id=UUID)


def key_of_tenant(*, tenant_id: UUID, key_id: UUID, kinds: Collection[KeyKind] = tuple(KeyKind)) -> ApiKey:
    """Return one of the tenant's keys of these kinds. Raises `NotFoundError`, also for another tenant's."""
    key: ApiKey | None = ApiKey.objects.of_tenant(tenant_id).filter(pk=key_id, kind__in=kinds).first()
    if key is None:
        raise NotFoundError
    return key


def keys_beyond(*, tenant_id: UUID, maker_id: int, role: Role | None, as_of: datetime) -> list[ApiKey]:
    """Return a person's working keys that allow more than `role` may give; with None, all of them."""
    given = [] if role is None else [scope.value for scope in scopes_of_role(role)]
    made = ApiKey.objects.of_tenant(tenant_id).usable_at(as_of).filter(created_by_id=maker_id)
    return list(made.exclude(scopes__contained_by=given).order_by("name", "pk"))


def key_ids_of_families(*, tenant_id: UUID, family_ids: Collection[UUID]) -> dict[UUID, list[UUID]]:
    """Return the keys of each line of rotations, by the id of its first key."""
    members: dict[UUID, list[UUID]] = {family_id: [family_id] for family_id in family_ids}
    successors = ApiKey.objects.of_tenant(tenant_id).filter(family_id__in=family_ids)
    for family_id, key_id in successors.values_list("family_id", "id"):
        members[family_id].append(key_id)
    return members


def key_ids_named(*, tenant_id: UUID, name: str) -> list[UUID]:
    """Return the ids of the tenant's keys with this id or these first 12 characters."""
    try:
        wanted = UUID(name)
    except ValueError:
        return list(ApiKey.objects.of_tenant(tenant_id).filter(prefix=name).values_list("id", flat=True))
    return list(ApiKey.objects.of_tenant(tenant_id).filter(pk=wanted).values_list("id", flat=True))
