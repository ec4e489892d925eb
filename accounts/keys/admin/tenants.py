"""Keys on a tenant's page: their list, and an action that revokes all of them."""

from typing import Any

from django.contrib import messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from unfold.admin import TabularInline
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from accounts.admin.base import Question, ReadOnlyInline, found_or_404, holds, staff_actor
from accounts.admin.by_state import ConfirmForm
from accounts.admin.tenant_sections import TenantSection, register_tenant_section
from accounts.domain.numbers import counted
from accounts.keys.admin.keys import STATE_LABELS, state_of
from accounts.keys.services.api_keys import revoke_all_keys
from accounts.models import ApiKey, Tenant


class KeyInline(ReadOnlyInline, TabularInline):
    """The tenant's keys."""

    model = ApiKey
    fk_name = "tenant"
    tab = True
    hide_title = True
    per_page = 20
    fields = ("name", "known_by", "kind", "state", "scope_list", "created_at", "expires_at", "last_used_at")
    readonly_fields = fields
    show_change_link = True
    verbose_name_plural = "API keys"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Leave the digests out of the query."""
        return super().get_queryset(request).defer("digest")

    @display(description="Key")
    def known_by(self, key: ApiKey) -> str:
        """Return the characters that identify the key."""
        return f"{key.prefix}…{key.last_four}"

    @display(description="Scopes")
    def scope_list(self, key: ApiKey) -> str:
        """Return the key's scopes in one line."""
        return ", ".join(key.scopes)

    @display(description="State", label=STATE_LABELS)
    def state(self, key: ApiKey) -> str:
        """Return whether the key works now."""
        return state_of(key, timezone.now())


@register_tenant_section
class KeySection(TenantSection):
    """The tenant's keys."""

    place = 10
    buttons_below_more = ("revoke_keys",)
    columns = ("keys_usable",)
    inlines = (KeyInline,)

    has_revoke_keys_permission = holds("accounts.change_apikey")

    def annotate(self, tenants: QuerySet[Any]) -> QuerySet[Any]:
        """Count the working keys of each tenant."""
        usable = Q(api_keys__revoked_at=None) & (
            Q(api_keys__expires_at=None) | Q(api_keys__expires_at__gt=timezone.now())
        )
        with_keys: QuerySet[Any] = tenants.annotate(key_total=Count("api_keys", filter=usable, distinct=True))
        return with_keys

    @display(description="Keys", ordering="key_total")
    def keys_usable(self, tenant: Any) -> int:
        """Return the number of working keys."""
        return int(tenant.key_total)

    @action(description="Revoke all keys", permissions=["revoke_keys"], icon="key_off", variant=ActionVariant.DANGER)
    def revoke_keys(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Confirm, then revoke every key."""
        tenant = found_or_404(Tenant.objects.all(), object_id)
        if request.method == "POST":
            number = revoke_all_keys(tenant=tenant, actor=staff_actor(request), as_of=timezone.now())
            messages.success(request, f"Revoked {counted(number, 'keys')} of {tenant}.")
            return redirect(self.page.page_of(tenant))
        return self.page.confirmation_page(
            request,
            tenant,
            ConfirmForm(),
            question=Question(
                title=f"Revoke all keys of {tenant}?",
                explanation="Requests of the customer's programs are refused within a second, until they have new "
                "keys. This cannot be undone.",
                button="Revoke all keys",
            ),
        )
