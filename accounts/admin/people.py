"""Users and the groups of staff. Only a superuser decides who is staff, and in which group."""

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.admin import TabularInline
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from accounts.admin.base import Question, ReadOnlyInline, StaffModelAdmin, found_or_404, holds, staff_actor
from accounts.admin.tenant_forms import ReasonForm
from accounts.models import Membership, User
from accounts.services.erasure import erase_person

RANK_FIELDS = ("is_staff", "is_superuser", "groups")


class UserMembershipInline(ReadOnlyInline, TabularInline):
    """The tenants that a user belongs to."""

    model = Membership
    tab = True
    hide_title = True
    fields = ("tenant", "role", "created_at")
    readonly_fields = fields
    verbose_name_plural = "memberships"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Fetch the tenants along with the memberships."""
        return super().get_queryset(request).select_related("tenant", "user")


@admin.register(User)
class UserAdmin(StaffModelAdmin, DjangoUserAdmin):  # type: ignore[type-arg]  # Django's admin of a user without a username
    """Customers and staff."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("person", "kind", "tenant_count", "is_active", "last_login", "joined_at")
    list_filter = ("is_staff", "is_superuser", "is_active", "groups")
    list_filter_submit = True
    search_fields = ("email", "name")
    ordering = ("email",)
    filter_horizontal = ()
    readonly_fields = ("last_login", "joined_at")
    fieldsets = (
        (None, {"fields": ("email", "name", "is_active")}),
        ("Staff", {"fields": ("is_staff", "is_superuser", "groups")}),
        ("Dates", {"fields": ("joined_at", "last_login")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "name", "usable_password", "password1", "password2")}),)
    inlines: ClassVar = [UserMembershipInline]
    actions_detail: ClassVar = ["erase"]

    has_erase_permission = holds("accounts.change_user")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Add the number of tenants to each user, in one query."""
        users: QuerySet[Any] = super().get_queryset(request).annotate(tenant_total=Count("memberships"))
        return users

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        """Return the fields that only a superuser may change, unless the user is one."""
        fields = tuple(super().get_readonly_fields(request, obj))
        return fields if _is_superuser(request) else fields + RANK_FIELDS

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Return whether the user may change this account. Only a superuser changes a colleague's."""
        if isinstance(obj, User) and obj.is_staff and not _is_superuser(request):
            return False
        return bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Return False: a person who acted stays in the audit log. Unset `active` instead."""
        return False

    @action(description="Erase", permissions=["erase"], icon="person_remove", variant=ActionVariant.DANGER)
    def erase(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Require a reason, then erase the person."""
        user = found_or_404(User.objects.all(), object_id)
        if not self.has_change_permission(request, user):
            raise PermissionDenied
        form = ReasonForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            reason = form.cleaned_data["reason"]
            return self.attempt(
                request,
                lambda: erase_person(user=user, reason=reason, actor=staff_actor(request), as_of=timezone.now()),
                said=f"person-{user.pk} is erased.",
                back=self.page_of(user),
            )
        return self.confirmation_page(
            request,
            user,
            form,
            question=Question(
                title=f"Erase {user}?",
                explanation="Name, addresses, second factors, sessions and memberships are deleted, and mails to this "
                "person lose their text. The audit log keeps what was done under a pseudonym, and invoices stay. This "
                "cannot be undone.",
                button="Erase person",
            ),
        )

    @display(description="Person", header=True, ordering="email")
    def person(self, user: User) -> list[str]:
        """Return the name and the address."""
        return [user.get_full_name(), user.email if user.name else ""]

    @display(description="Kind", label={"Superuser": "danger", "Staff": "warning", "Customer": "info"})
    def kind(self, user: User) -> str:
        """Return whether the user is a superuser, staff or a customer."""
        if user.is_superuser:
            return "Superuser"
        return "Staff" if user.is_staff else "Customer"

    @display(description="Tenants", ordering="tenant_total")
    def tenant_count(self, user: Any) -> int:
        """Return the number of tenants the user belongs to."""
        return int(user.tenant_total)


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(StaffModelAdmin, DjangoGroupAdmin):
    """Groups of staff and their permissions."""

    list_display = ("name", "member_total")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Add the number of people to each group."""
        return super().get_queryset(request).annotate(members=Count("user"))

    @display(description="People", ordering="members")
    def member_total(self, group: Any) -> int:
        return int(group.members)


def _is_superuser(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))
