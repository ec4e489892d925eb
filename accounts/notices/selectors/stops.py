"""Why a person gets a mail, and the signed address that stops mails of its kind for one member.

The signature covers the membership and the kind. It does not end: an old mail must be stoppable, too. Whoever has the
address can stop this kind of mails for this member, and nothing else.
"""

import base64
import binascii
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.conf import settings
from django.core.signing import BadSignature, Signer

from accounts.domain.mail_form import MailFoot
from accounts.errors import NotFoundError
from accounts.models import Membership
from accounts.notices.models import OutboundMail
from accounts.notices.selectors.kinds import notice_kinds

STOP_PATH: Final = "/mail/stop/{token}/"
_SALT: Final = "accounts.notices stop mails"
_HEAD: Final = struct.Struct(">16sq")


@dataclass(frozen=True, slots=True)
class MailStop:
    """What an address stops."""

    tenant_id: UUID
    membership_id: int
    kind: str


def stop_token(stop: MailStop) -> str:
    """Return the signed token."""
    packed = _HEAD.pack(stop.tenant_id.bytes, stop.membership_id) + stop.kind.encode()
    return Signer(salt=_SALT).sign(base64.urlsafe_b64encode(packed).decode())


def read_stop_token(token: str) -> MailStop:
    """Return what a token stops. Raises `NotFoundError` if it is not one of ours, or of a kind that must come."""
    try:
        packed = base64.urlsafe_b64decode(Signer(salt=_SALT).unsign(token))
        tenant, membership = _HEAD.unpack(packed[: _HEAD.size])
        stop = MailStop(UUID(bytes=tenant), membership, packed[_HEAD.size :].decode())
    except (BadSignature, binascii.Error, struct.error, ValueError) as error:
        raise NotFoundError("This link is not valid.") from error
    kind = notice_kinds().get(stop.kind)
    if kind is None or not kind.is_optional:
        raise NotFoundError("This link is not valid.")
    return stop


def foot_of(mail: OutboundMail) -> MailFoot:
    """Return why the recipient of a mail gets it, and the address that stops its kind for them if one may."""
    kind, tenant = notice_kinds().get(mail.kind), mail.tenant
    address = mail.recipients[0]
    member = Membership.objects.filter(tenant_id=mail.tenant_id, user__email__iexact=address).first()
    label = "" if kind is None else kind.label
    if member is None:
        return MailFoot(f"You get this because bills and notices of {tenant.name} are sent to {address}.")
    words: Mapping[str, str] = {"role": _with_article(member.role), "tenant": tenant.name, "label": label}
    if kind is None or not kind.is_optional:
        return MailFoot("You get this because you are {role} of {tenant}. Such mails always come.".format_map(words))
    token = stop_token(MailStop(mail.tenant_id, member.pk, kind.name))
    return MailFoot(
        "You get this because you are {role} of {tenant} and get mails of the kind “{label}”.".format_map(words),
        f"{settings.PUBLIC_URL}{STOP_PATH.format(token=token)}",
    )


def _with_article(role: str) -> str:
    return f"{'an' if role[0] in 'aeiou' else 'a'} {role}"
