"""Invitations as their bearer sees them."""

from datetime import datetime

from accounts.domain.invitation_token import token_digest
from accounts.domain.transitions import TenantStatus
from accounts.errors import InvitationInvalidError
from accounts.models import Invitation


def open_invitation(*, token: str, as_of: datetime) -> Invitation:
    """Return the invitation that a link names, with its tenant.

    Raises `InvitationInvalidError`, which does not say why.
    """
    invitation: Invitation | None = (
        Invitation.objects.open_at(as_of)
        .filter(token_digest=token_digest(token))
        .exclude(tenant__status=TenantStatus.CLOSED)
        .select_related("tenant")
        .first()
    )
    if invitation is None:
        raise InvitationInvalidError
    return invitation


def is_invitation_open(*, token: str, as_of: datetime) -> bool:
    """Return whether the link still works."""
    try:
        open_invitation(token=token, as_of=as_of)
    except InvitationInvalidError:
        return False
    return True
