"""Whom a request views as, if a member of staff views as a customer."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.http import HttpRequest

from accounts.domain.roles import Role, lower_of
from accounts.domain.viewing import Viewing
from accounts.models import Membership, Tenant, User

VIEWING_IN_SESSION: Final = "viewing"


@dataclass(frozen=True, slots=True)
class ViewedMember:
    """The member as they are at this request, and the viewing that shows them."""

    viewing: Viewing
    membership: Membership

    @property
    def user(self) -> User:
        """The member's person."""
        user: User = self.membership.user
        return user

    @property
    def tenant(self) -> Tenant:
        """The one tenant that is shown."""
        tenant: Tenant = self.membership.tenant
        return tenant

    @property
    def role(self) -> Role:
        """The member's role: that of now, or that of the beginning if it was lower."""
        return lower_of(Role(self.membership.role), self.viewing.role)

    @property
    def ends_at(self) -> datetime:
        """When the viewing ends at the latest."""
        return self.viewing.ends_at


def viewing(request: HttpRequest) -> dict[str, object]:
    """Return what every template knows of it."""
    return {"viewing": viewed_member_of(request)}


def viewed_member_of(request: HttpRequest) -> ViewedMember | None:
    """Return whom the request views as; None for everyone who is there as themselves."""
    return getattr(request, "viewing", None)
