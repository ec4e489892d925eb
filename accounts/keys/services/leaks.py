"""Keys that were found in public: quarantined at once, and released or revoked by people.

Quarantine is not revocation. A report may be wrong, or its place private after all, so an owner or admin can release
the key; `api_key.revoked` is sent only when someone revokes it. One place quarantines a key once: the same report
again changes nothing, also after a release.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.template.loader import render_to_string

from accounts.domain.actor import Actor, ActorKind
from accounts.domain.api_key import parse_key
from accounts.domain.identifiers import uuid7
from accounts.domain.reach import within_tenant
from accounts.domain.roles import Capability
from accounts.errors import ConflictError, PermissionMissingError
from accounts.keys.domain.leaks import KEY_LEAK, ReportedToken
from accounts.models import ApiKey, KeyLeak, Tenant
from accounts.notices.selectors.recipients import recipients_of
from accounts.notices.services.mails import NewMail, queue_mails
from accounts.selectors.api_keys import forget_keys
from accounts.services.audit import AuditTarget, record_audit
from accounts.services.rights import lock_tenant, require_capability

KEY_PATH: Final = "/t/{slug}/keys/{key_id}/"


def report_leaked_keys(
    *, tokens: Sequence[ReportedToken], scanner: str, actor: Actor, as_of: datetime
) -> list[dict[str, str]]:
    """Find the keys among the tokens, quarantine them, and return a label for each token, in their order.

    A token whose checksum is wrong is not looked up. Each key has a transaction of its own, so a report that was cut
    off half-way is completed by the next one.
    """
    parsed = [parse_key(reported.token) for reported in tokens]
    digests = {key.digest for key in parsed if key is not None}
    known = {bytes(key.digest): key for key in ApiKey.objects.filter(digest__in=digests)} if digests else {}
    owners = [None if key is None else known.get(key.digest) for key in parsed]
    places: dict[UUID, list[ReportedToken]] = defaultdict(list)
    for owner, reported in zip(owners, tokens, strict=True):
        if owner is not None:
            places[owner.pk].append(reported)
    for key in sorted(known.values(), key=lambda key: key.pk):
        with nullcontext() if key.tenant_id is None else within_tenant(key.tenant_id):
            _record(key=key, places=places[key.pk], scanner=scanner, actor=actor, as_of=as_of)
    forget_keys()
    return [reported.labelled(is_real=owner is not None) for owner, reported in zip(owners, tokens, strict=True)]


@transaction.atomic
def release_api_key(*, key: ApiKey, actor: Actor, as_of: datetime) -> None:
    """End a key's quarantine. An owner or admin may, and staff; the operator's own keys only staff.

    Raises `PermissionMissingError`, and `ConflictError` if the key is not quarantined.
    """
    if key.tenant_id is None:
        if actor.kind is not ActorKind.STAFF or actor.role is not None:
            raise PermissionMissingError
    else:
        lock_tenant(key.tenant_id)
        require_capability(actor, key.tenant_id, Capability.MANAGE_TENANT)
    current: ApiKey = ApiKey.objects.select_for_update(of=("self",)).get(pk=key.pk)
    if current.quarantined_at is None:
        raise ConflictError("The key is not quarantined.")
    ApiKey.objects.filter(pk=key.pk).update(quarantined_at=None)
    before = {"quarantined_at": current.quarantined_at}
    _audit(actor, "api_key.released", current, as_of, before=before, after={"quarantined_at": None})
    transaction.on_commit(forget_keys)


@transaction.atomic
def _record(*, key: ApiKey, places: Sequence[ReportedToken], scanner: str, actor: Actor, as_of: datetime) -> None:
    """Store the places that are new, and quarantine the key if there is one and it works."""
    tenant = None if key.tenant_id is None else lock_tenant(key.tenant_id)
    if not ApiKey.objects.select_for_update(of=("self",)).filter(pk=key.pk).exists():
        return  # deleted meanwhile
    known = {bytes(digest) for digest in KeyLeak.objects.filter(api_key=key).values_list("place_digest", flat=True)}
    new = {place.place_digest: place for place in places if place.place_digest not in known}
    KeyLeak.objects.bulk_create(
        KeyLeak(
            id=uuid7(as_of),
            api_key=key,
            tenant=tenant,
            place_digest=digest,
            url=place.url,
            source=place.source,
            token_type=place.type,
            scanner=scanner,
            reported_at=as_of,
        )
        for digest, place in new.items()
    )
    if not new or not ApiKey.objects.usable_at(as_of).filter(pk=key.pk, quarantined_at=None).exists():
        return
    ApiKey.objects.filter(pk=key.pk).update(quarantined_at=as_of)
    found_at = [place.url or place.source for place in new.values()]
    _audit(
        actor,
        "api_key.quarantined",
        key,
        as_of,
        before={"quarantined_at": None},
        after={"quarantined_at": as_of, "found_at": found_at},
    )
    if tenant is not None:
        queue_mails([_mail(tenant, key, found_at, as_of)], as_of=as_of)


def _mail(tenant: Tenant, key: ApiKey, found_at: Sequence[str], as_of: datetime) -> NewMail:
    context = {
        "tenant": tenant,
        "key": key,
        "found_at": [place for place in found_at if place],
        "quarantined_at": as_of,
        "url": f"{settings.PUBLIC_URL}{KEY_PATH.format(slug=tenant.slug, key_id=key.pk)}",
    }
    return NewMail(
        tenant_id=tenant.pk,
        kind=KEY_LEAK.name,
        dedupe_key=f"{KEY_LEAK.name}:{key.pk}:{as_of.isoformat()}",
        recipients=recipients_of(tenant=tenant, kind=KEY_LEAK),
        subject=render_to_string("keys/email/key_leak_subject.txt", context).strip(),
        text=render_to_string("keys/email/key_leak.txt", context),
        html=render_to_string("keys/email/key_leak.html", context),
        page=f"keys/{key.pk}/",
    )


def _audit(
    actor: Actor,
    action: str,
    key: ApiKey,
    as_of: datetime,
    *,
    before: Mapping[str, object],
    after: Mapping[str, object],
) -> None:
    record_audit(
        actor=actor,
        action=action,
        tenant_id=key.tenant_id,
        target=AuditTarget("api_key", key.pk, str(key)),
        before=before,
        after=after,
        as_of=as_of,
    )
