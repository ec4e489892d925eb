"""The member a request views as, if a member of staff views as a customer."""

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
    """The member as of this request, and the viewing that shows them."""

    viewing: Viewing
    membership: Membership

    @property
    def user(self) -> User:
        """Return the member's user."""
        user: User = self.membership.user
        return user

    @property
    def tenant(self) -> Tenant:
        """Return the one tenant that is shown."""
        tenant: Tenant = self.membership.tenant
        return tenant

    @property
    def role(self) -> Role:
        """Return the member's role now, or the one when the viewing began if that was lower."""
        return lower_of(Role(self.membership.role), self.viewing.role)

    @property
    def ends_at(self) -> datetime:
        """Return when the viewing ends at the latest."""
        return self.viewing.ends_at


def viewing(request: HttpRequest) -> dict[str, object]:
    """Return the context that every template has about the viewing."""
    return {"viewing": viewed_member_of(request)}


def viewed_member_of(request: HttpRequest) -> ViewedMember | None:
    """Return the member that the request views as, or None if there is no viewing."""
    return getattr(request, "viewing", None)
