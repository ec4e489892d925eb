"""API keys and service keys. The page shows what a key may do. Only a new service key's secret is shown, once."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminDateWidget, UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from accounts.admin.base import Question, ReadOnlyModelAdmin, found_or_404, staff_actor
from accounts.admin.by_state import ConfirmForm
from accounts.domain.api_key import KeyKind
from accounts.domain.scopes import Scope
from accounts.errors import InvalidFieldsError
from accounts.keys.services.api_keys import KeyTerms, create_api_key, revoke_api_key
from accounts.keys.services.leaks import release_api_key
from accounts.models import ApiKey

STATE_LABELS = {"Active": "success", "Quarantined": "danger", "Expired": "warning", "Revoked": "danger"}


def state_of(key: ApiKey, as_of: datetime) -> str:
    """Return whether a key works, in one word."""
    if key.revoked_at is not None and key.revoked_at <= as_of:
        return "Revoked"
    if key.expires_at is not None and key.expires_at <= as_of:
        return "Expired"
    return "Active" if key.quarantined_at is None else "Quarantined"


class ServiceKeyForm(forms.Form):
    """The name of a new service key, its scopes, and its last day."""

    name = forms.CharField(
        max_length=100,
        widget=UnfoldAdminTextInputWidget,
        help_text="The program that uses it, e.g. “Gateway Frankfurt”.",
    )
    expires_on = forms.DateField(
        required=False,
        widget=UnfoldAdminDateWidget,
        help_text="The last day on which it works. Leave empty for a key that does not expire.",
    )
    is_operator = forms.BooleanField(
        required=False,
        label="Operator",
        widget=UnfoldBooleanSwitchWidget,
        help_text="Allows managing tenants, not only metering and reading.",
    )

    def scopes(self) -> list[Scope]:
        """Return the requested scopes."""
        return [scope for scope in Scope if scope is not Scope.OPERATOR or self.cleaned_data["is_operator"]]

    def expires_at(self) -> datetime | None:
        """Return the end of the last day, in UTC."""
        day = self.cleaned_data["expires_on"]
        return None if day is None else datetime(day.year, day.month, day.day, 23, 59, 59, tzinfo=UTC)


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyModelAdmin):
    """All keys, of tenants and of the operator."""

    list_display = ("key", "owner", "kind_label", "state", "created_at", "expires_at", "last_used_at")
    list_filter = ("kind",)
    search_fields = ("name", "prefix", "tenant__name", "tenant__slug")
    list_select_related = ("tenant",)
    exclude = ("digest",)
    actions_detail: ClassVar = ["release", "revoke"]

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Return whether the user may create service keys. Tenants create their keys in the portal."""
        return bool(request.user.has_perm("accounts.add_apikey"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Leave the digests out of the query."""
        keys: QuerySet[Any] = super().get_queryset(request).defer("digest")
        return keys

    @display(description="Key", header=True)
    def key(self, key: ApiKey) -> list[str]:
        """Return the name and the characters that identify the key."""
        return [key.name, f"{key.prefix}…{key.last_four}"]

    @display(description="Owner", ordering="tenant__name")
    def owner(self, key: ApiKey) -> str:
        """Return the tenant, or that the key is the operator's."""
        return "Operator" if key.tenant is None else key.tenant.name

    @display(description="Kind", ordering="kind", label={"Live": "success", "Test": "info", "Service": "primary"})
    def kind_label(self, key: ApiKey) -> str:
        """Return the kind: live, test or service."""
        return key.kind.capitalize()

    @display(description="State", label=STATE_LABELS)
    def state(self, key: ApiKey) -> str:
        return state_of(key, timezone.now())

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",  # noqa: ARG002 - Django's signature
        extra_context: dict[str, Any] | None = None,  # noqa: ARG002 - Django's signature
    ) -> HttpResponse:
        """Create a service key, and show its secret this once."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = ServiceKeyForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                return self._make_service_key(request, form)
            except InvalidFieldsError as error:
                form.add_error(None, error.detail)
        return self.confirmation_page(
            request,
            ApiKey(name="Service key"),
            form,
            question=Question(
                title="New service key",
                explanation="A service key acts for the operator and names a tenant with each call. Its secret is "
                "shown once.",
                button="Create key",
            ),
        )

    def _make_service_key(self, request: HttpRequest, form: ServiceKeyForm) -> HttpResponse:
        created = create_api_key(
            tenant=None,
            kind=KeyKind.SERVICE,
            terms=KeyTerms(name=form.cleaned_data["name"], scopes=form.scopes(), expires_at=form.expires_at()),
            actor=staff_actor(request),
            as_of=timezone.now(),
        )
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Service key created",
            "created": created,
        }
        response = TemplateResponse(request, "admin/key_made.html", context)
        response["Cache-Control"] = "no-store"
        return response

    @action(description="Release", permissions=["revoke"], icon="lock_open")
    def release(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Confirm, then end the quarantine of a key that was found in public."""
        key = found_or_404(ApiKey.objects.all(), object_id)
        question = Question(
            title=f"Release {key}?",
            explanation="Whoever has read the key in public can use it again. Release it only if the report is wrong.",
            button="Release key",
        )
        return self._confirmed(request, key, release_api_key, question=question, said=f"{key} is released.")

    @action(description="Revoke", permissions=["revoke"], icon="key_off")
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Confirm, then revoke the key in every process within a second."""
        key = found_or_404(ApiKey.objects.all(), object_id)
        question = Question(
            title=f"Revoke {key}?",
            explanation="Requests with this key are refused within a second. This cannot be undone.",
            button="Revoke key",
        )
        return self._confirmed(request, key, revoke_api_key, question=question, said=f"{key} is revoked.")

    def _confirmed(
        self, request: HttpRequest, key: ApiKey, change: Callable[..., object], *, question: Question, said: str
    ) -> HttpResponse:
        """Confirm first, then change the key."""
        if request.method != "POST":
            return self.confirmation_page(request, key, ConfirmForm(), question=question)
        return self.attempt(
            request,
            lambda: change(key=key, actor=staff_actor(request), as_of=timezone.now()),
            said=said,
            back=self.page_of(key),
        )

    def has_revoke_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:  # noqa: ARG002 - unfold's signature
        """Return whether the user may change keys; the page itself is read-only."""
        return bool(request.user.has_perm("accounts.change_apikey"))
