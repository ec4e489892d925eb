"""Users and the groups of staff. Who is staff, and in which group, only a superuser decides."""

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
        """With the tenants' names."""
        return super().get_queryset(request).select_related("tenant", "user")


@admin.register(User)
class UserAdmin(StaffModelAdmin, DjangoUserAdmin):  # type: ignore[type-arg]  # Django's admin of a user without a username
    """People, customers and staff."""

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
        """With the number of tenants, so that the list asks once."""
        users: QuerySet[Any] = super().get_queryset(request).annotate(tenant_total=Count("memberships"))
        return users

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        """Nobody but a superuser makes staff."""
        fields = tuple(super().get_readonly_fields(request, obj))
        return fields if _is_superuser(request) else fields + RANK_FIELDS

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """A colleague's account, with the password in it, is a superuser's business."""
        if isinstance(obj, User) and obj.is_staff and not _is_superuser(request):
            return False
        return bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """A person who has acted stays in the log; `active` is unset instead."""
        return False

    @action(description="Erase", permissions=["erase"], icon="person_remove", variant=ActionVariant.DANGER)
    def erase(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a reason, and erase the person."""
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
        return self.ask_first(
            request,
            user,
            form,
            question=Question(
                title=f"Erase {user}?",
                explanation="Name, addresses, second factors, sessions and memberships go, and mails to this person "
                "lose their text. The audit log keeps what was done under a pseudonym, and invoices stay. This cannot "
                "be taken back.",
                button="Erase the person",
            ),
        )

    @display(description="Person", header=True, ordering="email")
    def person(self, user: User) -> list[str]:
        """Name above address."""
        return [user.get_full_name(), user.email if user.name else ""]

    @display(description="Kind", label={"Superuser": "danger", "Staff": "warning", "Customer": "info"})
    def kind(self, user: User) -> str:
        """Who this is to us."""
        if user.is_superuser:
            return "Superuser"
        return "Staff" if user.is_staff else "Customer"

    @display(description="Tenants", ordering="tenant_total")
    def tenant_count(self, user: Any) -> int:
        """How many tenants the user belongs to."""
        return int(user.tenant_total)


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(StaffModelAdmin, DjangoGroupAdmin):
    """Groups of staff and what each may do."""

    list_display = ("name", "member_total")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With the number of people."""
        return super().get_queryset(request).annotate(members=Count("user"))

    @display(description="People", ordering="members")
    def member_total(self, group: Any) -> int:
        """How many are in it."""
        return int(group.members)


def _is_superuser(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))
