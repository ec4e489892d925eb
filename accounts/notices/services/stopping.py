"""A member stops mails of one kind by the address in a mail."""

from datetime import datetime

from django.db import transaction

from accounts.domain.actor import Actor
from accounts.domain.roles import Role
from accounts.errors import NotFoundError
from accounts.models import Membership
from accounts.notices.domain.mails import MailKind
from accounts.notices.selectors.kinds import kind_named
from accounts.notices.selectors.preferences import may_want
from accounts.notices.selectors.stops import MailStop
from accounts.notices.services.preferences import set_member_mails


@transaction.atomic
def stop_mails(*, stop: MailStop, ip: str | None, request_id: str, as_of: datetime) -> tuple[Membership, MailKind]:
    """Stop mails of this kind for this member, in the caller's reach. Stopping twice changes nothing.

    Raises `NotFoundError` if the person is no longer a member.
    """
    kind = kind_named(stop.kind)
    members = Membership.objects.select_related("user", "tenant").filter(tenant_id=stop.tenant_id)
    member = members.filter(pk=stop.membership_id).first()
    if member is None:
        raise NotFoundError("You are no longer a member of this organisation, so no mails are sent to you.")
    if may_want(membership=member, kind=kind):
        user = member.user
        actor = Actor.member(user_id=user.pk, label=user.email, role=Role(member.role), ip=ip, request_id=request_id)
        set_member_mails(membership=member, wishes={kind: False}, actor=actor, as_of=as_of)
    return member, kind
