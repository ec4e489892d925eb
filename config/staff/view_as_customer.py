"""Viewing as a customer: django-hijack's view, with a reason and an entry in the tenant's audit log."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from hijack.views import AcquireUserView

from accounts.admin.base import staff_actor
from accounts.models import Membership, User
from accounts.services.audit import AuditTarget, record_audit

REASON_CHARACTERS_MAX = 200


class ViewAsCustomerView(AcquireUserView):
    """Takes a member of a tenant, and why. It runs in one transaction with the entry."""

    def post(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        """Record, then change the session; who may, `may_view_as_customer` has said before."""
        membership = self._membership(request)
        reason = request.POST.get("reason", "").strip()[:REASON_CHARACTERS_MAX]
        if membership is None or not reason or request.session.get("hijack_history"):
            return HttpResponseBadRequest(
                "A tenant, one of its members and a reason are needed, and nobody else's session."
            )
        record_audit(
            actor=staff_actor(request),
            action="tenant.viewed_as_customer",
            tenant_id=membership.tenant_id,
            target=AuditTarget("membership", membership.pk, membership.user.email),
            after={"reason": reason, "role": membership.role},
            as_of=timezone.now(),
        )
        response: HttpResponse = super().post(request, *args, **kwargs)
        return response

    def _membership(self, request: HttpRequest) -> Membership | None:
        try:
            tenant_id, user_id = UUID(request.POST.get("tenant", "")), int(request.POST["user_pk"])
        except ValueError:
            return None
        return Membership.objects.filter(tenant_id=tenant_id, user_id=user_id).select_related("user").first()


def may_view_as_customer(*, hijacker: User, hijacked: User, **_: Any) -> bool:
    """Staff who may view tenants may look through a customer's eyes, and never through a colleague's."""
    return bool(
        hijacker.is_active and hijacker.is_staff and hijacked.is_active
        and not hijacked.is_staff and not hijacked.is_superuser and hijacker.has_perm("accounts.view_as_customer")
    )  # fmt: skip
