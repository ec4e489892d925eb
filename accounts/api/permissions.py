"""Permissions: a key's scopes decide what it may do, Django's permissions what staff may do through the API."""

from typing import Final

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.api.authentication import principal_of
from accounts.domain.reach import Reach, WayIn, reach_from_now_on
from accounts.domain.scopes import Scope
from accounts.errors import PermissionMissingError, ScopeMissingError
from accounts.models import User

STAFF_ACTIONS: Final = {
    "GET": "view",
    "HEAD": "view",
    "POST": "add",
    "PATCH": "change",
    "PUT": "change",
    "DELETE": "delete",
}


def require_scope(request: Request, scope: Scope) -> None:
    """Raise 401 without a key, 403 if the key lacks `scope`."""
    if scope not in principal_of(request).scopes:
        raise ScopeMissingError(f"The key lacks the scope {scope.value}.")


class HasScope(BasePermission):
    """Requires the scope that the view names for the method in `scopes`. HEAD requires what GET requires.

    A method that the view does not have passes, so that the view responds with 405.
    """

    def has_permission(self, request: Request, view: object) -> bool:
        """Return True, or raise 401 or 403."""
        method = "GET" if request.method == "HEAD" else request.method
        scope = getattr(view, "scopes", {}).get(method)
        if scope is None:
            principal_of(request)
        else:
            require_scope(request, scope)
        return True


class IsOperator(BasePermission):
    """A service key with the scope `operator`, or a member of staff with the permission on the view's `staff_model`."""

    def has_permission(self, request: Request, view: object) -> bool:
        """Return True, or raise 401 or 403."""
        if not isinstance(request.user, User):
            require_scope(request, Scope.OPERATOR)
            reach_from_now_on(Reach(way_in=WayIn.STAFF))
            return True
        action = STAFF_ACTIONS.get(request.method or "", "view")
        if not request.user.has_perm(f"accounts.{action}_{getattr(view, 'staff_model', 'tenant')}"):
            raise PermissionMissingError
        reach_from_now_on(Reach(way_in=WayIn.STAFF))
        return True
