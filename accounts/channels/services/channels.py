"""Channels: created, changed, paused, resumed, deleted. Each change is in the audit log, without the secret."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from accounts.at_rest import CHANNEL_SECRET, seal_text
from accounts.channels.domain.quiet import next_digest_at
from accounts.channels.domain.statuses import WAITING, ChannelStatus, MessageStatus
from accounts.channels.domain.terms import CHANNELS_MAX, ChannelTerms, checked_channel_url, checked_terms
from accounts.channels.domain.types import TYPES, ChannelType
from accounts.channels.errors import ChannelStatusError, TooManyChannelsError
from accounts.channels.models import Channel, ChannelMessage
from accounts.channels.selectors.channels import kinds_offered
from accounts.domain.actor import Actor, ActorKind
from accounts.domain.identifiers import uuid7
from accounts.domain.public_addresses import origin_of
from accounts.domain.roles import Capability
from accounts.errors import NotFoundError, PermissionMissingError
from accounts.models import Membership, Tenant
from accounts.services.audit import AuditTarget, record_audit
from accounts.services.rights import lock_tenant, require_capability
from accounts.webhooks.domain.signing import generate_secret

# What a new address or a resumption ends: what was known of failures.
_HEALTHY: Final = {"failures": 0, "failing_since": None, "last_failed_at": None, "rests_until": None, "last_error": ""}


@dataclass(frozen=True, slots=True)
class NewChannel:
    """A channel and, only this once, the secret that signs what a webhook receives."""

    channel: Channel
    secret: str = field(repr=False)


@transaction.atomic
def create_channel(
    *,
    tenant: Tenant | None,
    membership: Membership | None,
    channel_type: ChannelType,
    terms: ChannelTerms,
    actor: Actor,
    as_of: datetime,
) -> NewChannel:
    """Create a channel of a member, of a tenant, or of staff. Notices from now on are sent to it.

    Raises `InvalidFieldsError`, `PermissionMissingError`, `TooManyChannelsError`.
    """
    channel = Channel(id=uuid7(as_of), tenant=tenant, membership=membership, type=channel_type, created_at=as_of)
    _require(channel, actor)
    checked_terms(terms, known_kinds=kinds_offered(membership, is_of_staff=tenant is None))
    if Channel.objects.filter(tenant=tenant, membership=membership).count() >= CHANNELS_MAX:
        raise TooManyChannelsError(f"At most {CHANNELS_MAX} channels: delete one first.")
    if TYPES[channel_type].has_url:
        _set_url(channel, terms.url)
    elif membership is None:
        raise PermissionMissingError("Only a member has a channel for e-mail.")
    secret = generate_secret() if channel_type is ChannelType.WEBHOOK else ""
    channel.sealed_secret = seal_text(secret, purpose=CHANNEL_SECRET) if secret else ""
    _set_terms(channel, terms, as_of)
    channel.save(force_insert=True)
    _audit(actor, "channel.created", channel, as_of, after=_facts(channel))
    return NewChannel(channel, secret)


@transaction.atomic
def change_channel(*, channel: Channel, terms: ChannelTerms, actor: Actor, as_of: datetime) -> Channel:
    """Set the terms of a channel. What waits is sent at the time that the new terms say.

    Raises `InvalidFieldsError`, `PermissionMissingError`, `NotFoundError`.
    """
    current = _lock(channel, actor)
    checked_terms(terms, known_kinds=kinds_offered(current.membership, is_of_staff=current.tenant_id is None))
    before = _facts(current)
    if terms.url:
        _set_url(current, terms.url)
        vars(current).update(_HEALTHY)
    _set_terms(current, terms, as_of)
    current.save()
    _wait_again(current, as_of)
    after = _facts(current)
    changed = [name for name in after if before[name] != after[name]]
    if changed or terms.url:
        _audit(
            actor,
            "channel.changed",
            current,
            as_of,
            before={name: before[name] for name in changed},
            after={name: after[name] for name in changed} | ({"address": "replaced"} if terms.url else {}),
        )
    return current


@transaction.atomic
def pause_channel(*, channel: Channel, actor: Actor, as_of: datetime) -> Channel:
    """Pause an active channel: what waits is dropped, and it is told nothing until it is resumed.

    Raises `ChannelStatusError`, `PermissionMissingError`, `NotFoundError`.
    """
    return _set_status(channel, ChannelStatus.PAUSED, actor, as_of)


@transaction.atomic
def resume_channel(*, channel: Channel, actor: Actor, as_of: datetime) -> Channel:
    """Resume a channel that is paused or stopped: it is told of notices from now on. Raises the same."""
    return _set_status(channel, ChannelStatus.ACTIVE, actor, as_of)


@transaction.atomic
def delete_channel(*, channel: Channel, actor: Actor, as_of: datetime) -> None:
    """Delete a channel with its secret and messages. Raises `PermissionMissingError`, `NotFoundError`."""
    current = _lock(channel, actor)
    _audit(actor, "channel.deleted", current, as_of, before=_facts(current))
    current.delete()


@transaction.atomic
def note_test(*, channel: Channel, actor: Actor, as_of: datetime) -> Channel:
    """Record that the actor tests a channel, and return it as it is now. Raises the same as `delete_channel`."""
    current = _lock(channel, actor)
    _audit(actor, "channel.tested", current, as_of)
    return current


def _set_status(channel: Channel, status: ChannelStatus, actor: Actor, as_of: datetime) -> Channel:
    current = _lock(channel, actor)
    if (current.status == ChannelStatus.ACTIVE) == (status is ChannelStatus.ACTIVE):
        raise ChannelStatusError(f"The channel is {current.status}.")
    before = {"status": current.status}
    current.status, current.stopped_at = status, None
    if status is ChannelStatus.ACTIVE:
        vars(current).update(_HEALTHY)
        current.next_digest_at = _next_digest(current, as_of)
    else:
        waiting = ChannelMessage.objects.filter(channel=current, status__in=WAITING, lease=None)
        waiting.update(status=MessageStatus.DROPPED, next_attempt_at=None, ended_at=as_of)
    current.save()
    action = "channel.resumed" if status is ChannelStatus.ACTIVE else "channel.paused"
    _audit(actor, action, current, as_of, before=before, after={"status": status.value})
    return current


def _lock(channel: Channel, actor: Actor) -> Channel:
    _require(channel, actor)
    found = Channel.objects.select_for_update(no_key=True, of=("self",)).select_related("tenant", "membership__user")
    current = found.filter(pk=channel.pk).first()
    if current is None:
        raise NotFoundError
    return current


def _require(channel: Channel, actor: Actor) -> None:
    """Lock the tenant, and check that the channel is the actor's own or one that they may manage."""
    if channel.tenant_id is None:
        if actor.kind not in {ActorKind.STAFF, ActorKind.SYSTEM}:
            raise PermissionMissingError
        return
    lock_tenant(channel.tenant_id)
    if channel.membership is None:
        require_capability(actor, channel.tenant_id, Capability.MANAGE_TENANT)
        return
    require_capability(actor, channel.tenant_id, Capability.READ_USAGE)
    if actor.kind is ActorKind.MEMBER and actor.user_id != channel.membership.user_id:
        raise PermissionMissingError


def _set_url(channel: Channel, url: str) -> None:
    checked_channel_url(ChannelType(channel.type), url, settings.WEBHOOK_ALLOWED_NETWORKS)
    channel.sealed_url = seal_text(url, purpose=CHANNEL_SECRET)
    channel.origin = origin_of(url)


def _set_terms(channel: Channel, terms: ChannelTerms, as_of: datetime) -> None:
    channel.name, channel.kinds, channel.time_zone = terms.name, list(terms.kinds), terms.time_zone
    channel.quiet_begins = None if terms.quiet is None else terms.quiet.begins
    channel.quiet_ends = None if terms.quiet is None else terms.quiet.ends
    channel.digest_at = terms.digest_at
    channel.next_digest_at = _next_digest(channel, as_of)


def _next_digest(channel: Channel, as_of: datetime) -> datetime | None:
    return None if channel.digest_at is None else next_digest_at(as_of, channel.digest_at, channel.zone)


def _wait_again(channel: Channel, as_of: datetime) -> None:
    """Set the time of what was not tried yet to what the terms say now."""
    due_at = as_of if channel.quiet is None else channel.quiet.over_at(as_of, channel.zone)
    waiting = Q(status=MessageStatus.PENDING, attempts=0)
    if channel.digest_at is None:
        waiting |= Q(status=MessageStatus.HELD)
    ChannelMessage.objects.filter(waiting, channel=channel, lease=None).update(
        status=MessageStatus.PENDING, next_attempt_at=due_at
    )


def _facts(channel: Channel) -> dict[str, object]:
    """Return the facts for the audit log. Of the URL it has the origin alone: the rest is a secret."""
    return {
        "type": channel.type,
        "name": channel.name,
        "origin": channel.origin,
        "kinds": list(channel.kinds),
        "quiet_begins": _wall(channel.quiet_begins),
        "quiet_ends": _wall(channel.quiet_ends),
        "digest_at": _wall(channel.digest_at),
        "time_zone": channel.time_zone,
        "status": channel.status,
    }


def _wall(value: object) -> str:
    return "" if value is None else str(value)


def _audit(
    actor: Actor,
    action: str,
    channel: Channel,
    as_of: datetime,
    *,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    record_audit(
        actor=actor,
        action=action,
        tenant_id=channel.tenant_id,
        target=AuditTarget("channel", channel.pk, channel.name),
        before=before,
        after=after,
        as_of=as_of,
    )
