"""Creation, rotation and revocation of keys. The secret is returned once; only its digest is stored.

A member gives a key only scopes that their own role covers. A key that creates, rotates or revokes keys changes none
that may do more than itself: no scope that it lacks, no wider network, no later end, no wider limit. Successors by
rotation share the limits of the first key of their line, so that a new key brings no new allowance.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final, TypeVar
from uuid import UUID

from django.db import transaction

from accounts.domain.actor import Actor, ActorKind
from accounts.domain.api_key import KeyKind, digest_of, generate_key, last_four_of, prefix_of
from accounts.domain.identifiers import uuid7
from accounts.domain.networks import canonical_cidr
from accounts.domain.principal import Principal
from accounts.domain.roles import Capability, Role
from accounts.domain.scopes import SCOPES_FOR_SERVICE_KEYS, SCOPES_FOR_TENANT_KEYS, Scope, scopes_of_role, validate
from accounts.domain.texts import line_problem
from accounts.errors import (
    FieldError,
    InvalidFieldsError,
    KeyEndedError,
    PermissionMissingError,
    SubscriptionInactiveError,
    TooManyKeysError,
    WiderThanOwnError,
)
from accounts.keys.domain.happenings import ApiKeyCreated, ApiKeyRevoked
from accounts.keys.domain.labels import KeyLabels
from accounts.keys.selectors.facts import facts_of_key
from accounts.models import ApiKey, Tenant
from accounts.notices.services.outbox import add_to_outbox
from accounts.selectors.api_keys import forget_keys, keys_beyond
from accounts.services.audit import AuditTarget, record_audit
from accounts.services.rights import lock_tenant, require_capability

KEYS_MAX: Final = 500
CIDRS_MAX: Final = 50
NAME_CHARACTERS_MAX: Final = 100
GRACE_MAX: Final = timedelta(days=30)
THROTTLE_MAX: Final = 1_000_000
QUOTA_MAX: Final = Decimal(10) ** 11
QUOTA_PLACES: Final = 9
NO_LABELS: Final = KeyLabels()
Limit = TypeVar("Limit", int, Decimal)


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """A new key and, only this once, its secret."""

    key: ApiKey
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyTerms:
    """The requested terms of a key; None if nothing limits it."""

    name: str
    scopes: Iterable[str]
    expires_at: datetime | None = None
    allowed_cidrs: Sequence[str] = ()
    throttle_rate: int | None = None
    throttle_burst: int | None = None
    quota: Decimal | None = None


@dataclass(frozen=True, slots=True)
class _Terms:
    """The checked terms of a key, in canonical form."""

    name: str
    scopes: tuple[Scope, ...]
    allowed_cidrs: tuple[str, ...]
    expires_at: datetime | None
    throttle_rate: int | None
    throttle_burst: int | None
    quota: Decimal | None
    shares_limits_of: UUID | None = None


def create_api_key(
    *,
    tenant: Tenant | None,
    kind: KeyKind,
    terms: KeyTerms,
    actor: Actor,
    as_of: datetime,
    granted_by: Principal | None = None,
    labels: KeyLabels = NO_LABELS,
) -> CreatedKey:
    """Create a key of a tenant, or a service key if `tenant` is None. `granted_by` is the calling key, if there is one.

    Raises `InvalidFieldsError`, `PermissionMissingError`, `WiderThanOwnError`, `TooManyKeysError`.
    """
    assert (tenant is None) == (kind is KeyKind.SERVICE), "a service key belongs to no tenant"
    allowed = SCOPES_FOR_SERVICE_KEYS if kind is KeyKind.SERVICE else SCOPES_FOR_TENANT_KEYS
    checked = _Terms(
        name=terms.name.strip(),
        scopes=validate(terms.scopes, allowed=allowed),
        allowed_cidrs=_canonical_cidrs(terms.allowed_cidrs),
        expires_at=terms.expires_at,
        throttle_rate=terms.throttle_rate,
        throttle_burst=terms.throttle_burst,
        quota=terms.quota,
    )
    _check_terms(checked, as_of)
    if granted_by is not None:
        checked = replace(_within(granted_by, kind, checked), shares_limits_of=_limits_to_share(granted_by))
    with transaction.atomic():
        _check_may_give(actor, tenant, checked.scopes)
        if tenant is not None:
            _check_room(tenant.pk, as_of)
        created = _store(
            tenant=tenant, kind=kind, terms=checked, labels=labels, actor=actor, as_of=as_of, rotated_from=None
        )
        _audit(actor, "api_key.created", created.key, as_of, after=_facts(created.key))
        _add_to_outbox(ApiKeyCreated, created.key, as_of)
    return created


def rotate_api_key(
    *, key: ApiKey, grace: timedelta, actor: Actor, as_of: datetime, granted_by: Principal | None = None
) -> CreatedKey:
    """Create a successor with the same terms. The old key works until the grace period ends, or its own end if sooner.

    Raises `KeyEndedError` if the key is revoked, expired or already rotated, and what `create_api_key` raises.
    """
    if not timedelta(0) <= grace <= GRACE_MAX:
        seconds = int(GRACE_MAX.total_seconds())
        raise _refused("/grace_seconds", "invalid_grace", f"From 0 to {seconds} seconds.")
    with transaction.atomic():
        _check_may_give(actor, key.tenant, _terms_of(key).scopes)
        current: ApiKey | None = (
            ApiKey.objects.select_for_update(of=("self",)).usable_at(as_of).filter(pk=key.pk).first()
        )
        if current is None or ApiKey.objects.filter(rotated_from=current).exists():
            raise KeyEndedError("A key that is revoked, expired or already rotated cannot be rotated.")
        _check_not_wider(current, granted_by)
        created = _store(
            tenant=current.tenant,
            kind=KeyKind(current.kind),
            terms=_terms_of(current),
            labels=KeyLabels(current.environment, tuple(current.tags)),
            actor=actor,
            as_of=as_of,
            rotated_from=current,
        )
        ends_at = min(filter(None, (current.expires_at, as_of + grace)))
        ApiKey.objects.filter(pk=current.pk).update(expires_at=ends_at)
        before = {"expires_at": current.expires_at}
        _audit(
            actor,
            "api_key.rotated",
            current,
            as_of,
            before=before,
            after={"expires_at": ends_at, "successor": created.key.id},
        )
        _add_to_outbox(ApiKeyCreated, created.key, as_of)
    forget_keys()
    return created


def revoke_api_key(*, key: ApiKey, actor: Actor, as_of: datetime, granted_by: Principal | None = None) -> None:
    """Revoke a key in every process within a second. A revoked key stays as it is.

    A member who manages keys may revoke any of them: revoking widens no access, and a leaked key cannot wait.

    Raises `PermissionMissingError`, and `WiderThanOwnError` if the calling key may do less.
    """
    _check_not_wider(key, granted_by)
    with transaction.atomic():
        _check_may_manage(actor, key.tenant)
        if ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=as_of) == 1:
            _audit(actor, "api_key.revoked", key, as_of, before={"revoked_at": None}, after={"revoked_at": as_of})
            _add_to_outbox(ApiKeyRevoked, ApiKey.objects.get(pk=key.pk), as_of)
    forget_keys()


def revoke_all_keys(*, tenant: Tenant, actor: Actor, as_of: datetime) -> int:
    """Revoke every working key of the tenant, and return how many there were."""
    with transaction.atomic():
        lock_tenant(tenant.pk)
        keys = list(ApiKey.objects.of_tenant(tenant.pk).usable_at(as_of))
        for key in keys:
            revoke_api_key(key=key, actor=actor, as_of=as_of)
    return len(keys)


def revoke_keys_beyond(*, tenant: Tenant, maker_id: int, role: Role | None, actor: Actor, as_of: datetime) -> int:
    """Revoke a person's keys that allow more than `role` may give, or all if they left. Return how many."""
    with transaction.atomic():
        lock_tenant(tenant.pk)
        keys = keys_beyond(tenant_id=tenant.pk, maker_id=maker_id, role=role, as_of=as_of)
        for key in keys:
            revoke_api_key(key=key, actor=actor, as_of=as_of)
    return len(keys)


def _store(
    *,
    tenant: Tenant | None,
    kind: KeyKind,
    terms: _Terms,
    labels: KeyLabels,
    actor: Actor,
    as_of: datetime,
    rotated_from: ApiKey | None,
) -> CreatedKey:
    secret = generate_key(kind)
    key: ApiKey = ApiKey.objects.create(
        id=uuid7(as_of),
        tenant=tenant,
        kind=kind,
        digest=digest_of(secret),
        prefix=prefix_of(secret),
        last_four=last_four_of(secret),
        name=terms.name,
        environment=labels.environment,
        tags=list(labels.tags),
        scopes=[scope.value for scope in terms.scopes],
        allowed_cidrs=list(terms.allowed_cidrs),
        throttle_rate=terms.throttle_rate,
        throttle_burst=terms.throttle_burst,
        quota=terms.quota,
        created_by_id=actor.user_id,
        rotated_from=rotated_from,
        family_id=terms.shares_limits_of if rotated_from is None else rotated_from.family_id or rotated_from.id,
        created_at=as_of,
        expires_at=terms.expires_at,
    )
    return CreatedKey(key, secret)


def _check_may_manage(actor: Actor, tenant: Tenant | None) -> Role | None:
    """Return the role that limits the actor, under the tenant's lock. Service keys belong to the operator."""
    if tenant is None:
        if actor.kind is ActorKind.MEMBER or actor.role is not None:
            raise PermissionMissingError
        return None
    lock_tenant(tenant.pk)
    return require_capability(actor, tenant.pk, Capability.MANAGE_KEYS)


def _check_may_give(actor: Actor, tenant: Tenant | None, scopes: Sequence[Scope]) -> None:
    """Raise unless the actor may create keys and may give these scopes, and the tenant is active."""
    role = _check_may_manage(actor, tenant)
    lacking = [] if role is None else [scope.value for scope in scopes if scope not in scopes_of_role(role)]
    if lacking:
        raise PermissionMissingError(f"Your role does not allow keys with {', '.join(lacking)}.")
    if tenant is not None and not lock_tenant(tenant.pk).is_active:
        raise SubscriptionInactiveError("The tenant is suspended or closed: it cannot have new keys.")


def _check_not_wider(key: ApiKey, granted_by: Principal | None) -> None:
    """Raise if the key may do more than the calling key."""
    terms = _terms_of(key)
    if granted_by is not None and _within(granted_by, KeyKind(key.kind), terms) != terms:
        raise WiderThanOwnError("This key may do more than the calling key.")


def _terms_of(key: ApiKey) -> _Terms:
    return _Terms(
        name=key.name,
        scopes=tuple(Scope(name) for name in key.scopes),
        allowed_cidrs=tuple(key.allowed_cidrs),
        expires_at=key.expires_at,
        throttle_rate=key.throttle_rate,
        throttle_burst=key.throttle_burst,
        quota=key.quota,
    )


def _refused(pointer: str, code: str, detail: str) -> InvalidFieldsError:
    return InvalidFieldsError(detail, field_errors=(FieldError(pointer, code, detail),))


def _canonical_cidrs(cidrs: Sequence[str]) -> tuple[str, ...]:
    if len(cidrs) > CIDRS_MAX:
        raise _refused("/allowed_cidrs", "too_many", f"At most {CIDRS_MAX} networks.")
    canonical = [canonical_cidr(text.strip()) for text in cidrs]
    refused = tuple(
        FieldError(f"/allowed_cidrs/{position}", "invalid_cidr", "A network such as 192.0.2.0/24 or 2001:db8::/32.")
        for position, cidr in enumerate(canonical)
        if cidr is None
    )
    if refused:
        raise InvalidFieldsError(refused[0].detail, field_errors=refused)
    return tuple(dict.fromkeys(cidr for cidr in canonical if cidr is not None))


def _check_terms(terms: _Terms, as_of: datetime) -> None:
    problem = line_problem(terms.name, pointer="/name", characters_max=NAME_CHARACTERS_MAX, is_required=True)
    if problem is not None:
        raise InvalidFieldsError(problem.detail, field_errors=(problem,))
    if terms.expires_at is not None and terms.expires_at <= as_of:
        raise _refused("/expires_at", "in_the_past", "The expiry must be in the future.")
    if (terms.throttle_rate is None) != (terms.throttle_burst is None):
        raise _refused("/throttle", "incomplete", "A throttle has a rate and a burst.")
    for name, value in (("rate", terms.throttle_rate), ("burst", terms.throttle_burst)):
        if value is not None and not 1 <= value <= THROTTLE_MAX:
            raise _refused(f"/throttle/{name}", "out_of_range", f"From 1 to {THROTTLE_MAX}.")
    if terms.quota is not None and not _is_quota(terms.quota):
        raise _refused(
            "/quota", "out_of_range", f"From 0 to below {QUOTA_MAX}, with at most {QUOTA_PLACES} decimal places."
        )


def _is_quota(quota: Decimal) -> bool:
    if not quota.is_finite() or not 0 <= quota < QUOTA_MAX:
        return False
    exponent = quota.normalize().as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -QUOTA_PLACES


def _within(grantor: Principal, kind: KeyKind, terms: _Terms) -> _Terms:
    """Return the terms, with the grantor's own network, end and limits if none are requested.

    Raises `WiderThanOwnError`.

    The operator's provisioning runs in its own network, so only a service key's scopes count, and with the scope
    `operator` it may give any.
    """
    if grantor.kind is KeyKind.TEST and kind is not KeyKind.TEST:
        raise WiderThanOwnError("A test key can only create test keys.")
    if Scope.OPERATOR in grantor.scopes:
        return terms
    lacking = [scope.value for scope in terms.scopes if scope not in grantor.scopes]
    if lacking:
        raise WiderThanOwnError(f"The calling key lacks: {', '.join(lacking)}.")
    if grantor.kind is KeyKind.SERVICE:
        return terms
    cidrs = terms.allowed_cidrs or grantor.allowed_cidrs
    if grantor.allowed_cidrs and not all(_is_inside(cidr, grantor.allowed_cidrs) for cidr in cidrs):
        raise WiderThanOwnError("The calling key may not be used from all of these networks.")
    expires_at = terms.expires_at or grantor.expires_at
    if expires_at is not None and grantor.expires_at is not None and expires_at > grantor.expires_at:
        raise WiderThanOwnError("The calling key expires earlier.")
    rate = _at_most(terms.throttle_rate, grantor.throttle_rate)
    burst = _at_most(terms.throttle_burst, grantor.throttle_burst)
    quota = _at_most(terms.quota, grantor.quota)
    return _Terms(
        name=terms.name,
        scopes=terms.scopes,
        allowed_cidrs=cidrs,
        expires_at=expires_at,
        throttle_rate=rate,
        throttle_burst=burst,
        quota=quota,
    )


def _limits_to_share(grantor: Principal) -> UUID | None:
    """Return the limits that keys share with a tenant's key that creates them: else it could multiply its own."""
    is_limited = grantor.quota is not None or grantor.throttle_rate is not None
    return grantor.limits_id if is_limited and grantor.kind is not KeyKind.SERVICE else None


def _at_most(asked: Limit | None, own: Limit | None) -> Limit | None:
    """Return the requested limit, or the grantor's own if there is none. Raises `WiderThanOwnError`."""
    if asked is not None and own is not None and asked > own:
        raise WiderThanOwnError("The calling key has a narrower limit.")
    return own if asked is None else asked


def _is_inside(cidr: str, others: tuple[str, ...]) -> bool:
    return any(_contains(ip_network(other), ip_network(cidr)) for other in others)


def _contains(outer: IPv4Network | IPv6Network, inner: IPv4Network | IPv6Network) -> bool:
    if isinstance(outer, IPv4Network):
        return isinstance(inner, IPv4Network) and inner.subnet_of(outer)
    return isinstance(inner, IPv6Network) and inner.subnet_of(outer)


def _facts(key: ApiKey) -> dict[str, object]:
    """Return the key's facts for the audit log, without its digest."""
    return {
        "name": key.name,
        "kind": key.kind,
        "environment": key.environment,
        "tags": key.tags,
        "prefix": key.prefix,
        "scopes": key.scopes,
        "allowed_cidrs": key.allowed_cidrs,
        "expires_at": key.expires_at,
        "throttle_rate": key.throttle_rate,
        "throttle_burst": key.throttle_burst,
        "quota": key.quota,
        "rotated_from": key.rotated_from_id,
    }


def _audit(
    actor: Actor,
    action: str,
    key: ApiKey,
    as_of: datetime,
    *,
    after: Mapping[str, object],
    before: Mapping[str, object] | None = None,
) -> None:
    record_audit(
        actor=actor,
        action=action,
        tenant_id=key.tenant_id,
        target=AuditTarget("api_key", key.pk, f"{key.name} ({key.prefix}…{key.last_four})"),
        before=before,
        after=after,
        as_of=as_of,
    )


def _add_to_outbox(happening: type[ApiKeyCreated | ApiKeyRevoked], key: ApiKey, as_of: datetime) -> None:
    """Add the event to the outbox of the key's tenant. Service keys have no webhooks."""
    if key.tenant_id is not None:
        add_to_outbox([happening(facts_of_key(key))], as_of=as_of)


def _check_room(tenant_id: UUID, as_of: datetime) -> None:
    if ApiKey.objects.of_tenant(tenant_id).usable_at(as_of).count() >= KEYS_MAX:
        raise TooManyKeysError(f"A tenant can have at most {KEYS_MAX} working keys.")
