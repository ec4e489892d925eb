"""Erasure of a person (GDPR art. 17): their identity is deleted, their actions stay under a pseudonym.

Invoices and credit notes keep what the law requires. Only the database owner's functions change history, and they do
nothing else: `accounts/migrations/erasure.sql`.
"""

from dataclasses import replace
from datetime import datetime
from typing import Final

from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import make_password
from django.db import models, transaction

from accounts.domain.actor import Actor, ActorKind
from accounts.domain.roles import Role
from accounts.domain.transitions import TenantStatus
from accounts.errors import LastOwnerError, PermissionMissingError
from accounts.models import Membership, User
from accounts.services.audit import AuditTarget, record_audit
from accounts.services.privacy_parts import ErasedPerson, privacy_parts
from accounts.services.rights import lock_tenant

_REASON_CHARACTERS_MAX: Final = 200


def erase_person(*, user: User, reason: str, actor: Actor, as_of: datetime) -> None:
    """Anonymise a person everywhere, end their memberships and sessions, and record the erasure and its reason.

    Members erase themselves; staff erase anyone, as Django's permissions allow. A person who is erased already stays as
    they are. Raises `LastOwnerError` if a tenant that is not closed would be left without an owner, and
    `PermissionMissingError`.
    """
    if actor.kind is ActorKind.MEMBER and (actor.user_id != user.pk or user.is_staff):
        raise PermissionMissingError("A staff account can only be erased by a colleague.")
    with transaction.atomic():
        current = User.objects.select_for_update().get(pk=user.pk)
        if current.erased_at is not None:
            return
        memberships = _locked_memberships(current)
        person = _person(current)
        by = replace(actor, label=person.pseudonym, ip=None) if actor.user_id == current.pk else actor
        for membership in memberships:
            record_audit(
                actor=by,
                action="member.removed",
                tenant_id=membership.tenant_id,
                target=AuditTarget("member", membership.pk, person.pseudonym),
                before={"role": membership.role},
                as_of=as_of,
            )
        User.objects.filter(pk=current.pk).update(erased_at=as_of)
        for part in privacy_parts():
            part.forget(person=person)
        _delete_what_is_theirs(current)
        _anonymise(current, person)
        record_audit(
            actor=by,
            action="person.erased",
            tenant_id=None,
            target=AuditTarget("user", current.pk, person.pseudonym),
            after={"reason": person.without(reason)[:_REASON_CHARACTERS_MAX]},
            as_of=as_of,
        )


def _locked_memberships(user: User) -> list[Membership]:
    """Return the person's memberships under their tenants' locks, if none of the tenants loses its last owner."""
    memberships = list(Membership.objects.filter(user=user).select_related("tenant").order_by("tenant_id"))
    left_alone = []
    for membership in memberships:
        tenant = lock_tenant(membership.tenant_id)
        others = Membership.objects.filter(tenant=tenant, role=Role.OWNER).exclude(user=user)
        if membership.role == Role.OWNER and tenant.status != TenantStatus.CLOSED and not others.exists():
            left_alone.append(tenant.name)
    if left_alone:
        raise LastOwnerError(
            f"You are the only owner of {' and '.join(left_alone)}. Make another member its owner, or close it, first."
        )
    return memberships


def _person(user: User) -> ErasedPerson:
    addresses = {user.email, *EmailAddress.objects.filter(user=user).values_list("email", flat=True)}
    return ErasedPerson(user.pk, frozenset(address.casefold() for address in addresses), f"person-{user.pk}")


def _delete_what_is_theirs(user: User) -> None:
    """Delete the person's own rows: addresses, second factors, sessions, memberships, sign-ins."""
    for relation in User._meta.related_objects:  # noqa: SLF001 - Django documents it
        if relation.on_delete is models.CASCADE and not relation.many_to_many:
            rows = relation.related_model._default_manager  # noqa: SLF001 - as above
            rows.filter(**{relation.field.name: user}).delete()
    user.groups.clear()
    user.user_permissions.clear()


def _anonymise(user: User, person: ErasedPerson) -> None:
    User.objects.filter(pk=user.pk).update(
        email=f"{person.pseudonym}@erased.invalid",
        name="",
        password=make_password(None),
        is_active=False,
        is_staff=False,
        is_superuser=False,
        last_login=None,
    )
