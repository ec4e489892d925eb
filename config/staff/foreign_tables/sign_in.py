"""Sign-in methods from django-allauth's tables: addresses, second factors and sessions, without secrets."""

from typing import ClassVar

from allauth.account.models import EmailAddress, EmailConfirmation
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display

from accounts.admin.base import ReadOnlyModelAdmin, StaffModelAdmin

for _model in (EmailAddress, EmailConfirmation, Authenticator, UserSession, SocialApp, SocialToken, SocialAccount):
    if admin.site.is_registered(_model):
        admin.site.unregister(_model)


@admin.register(EmailAddress)
class EmailAddressAdmin(StaffModelAdmin):
    """Addresses. Support may mark one as verified after checking that it is the person's."""

    list_display = ("email", "user", "primary", "verified")
    list_filter = ("primary", "verified")
    search_fields = ("email", "user__email")
    list_select_related = ("user",)
    fields = ("user", "email", "primary", "verified")
    readonly_fields = ("user", "email", "primary")

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        """Return False: people add their own addresses."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: EmailAddress | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Return False: people remove their own addresses."""
        return False


@admin.register(Authenticator)
class AuthenticatorAdmin(ReadOnlyModelAdmin):
    """The second factors that people have, and since when."""

    list_display = ("user", "type", "created_at", "last_used_at")
    list_filter = ("type",)
    search_fields = ("user__email",)
    list_select_related = ("user",)
    fields: ClassVar = ("user", "type", "created_at", "last_used_at")


@admin.register(SocialAccount)
class SocialAccountAdmin(ReadOnlyModelAdmin):
    """Accounts that sign in through a provider."""

    list_display = ("user", "provider", "date_joined", "last_login")
    list_filter = ("provider",)
    search_fields = ("user__email",)
    list_select_related = ("user",)
    fields: ClassVar = ("user", "provider", "uid", "date_joined", "last_login")


@admin.register(UserSession)
class UserSessionAdmin(ReadOnlyModelAdmin):
    """The sessions in which people are signed in."""

    list_display = ("user", "ip", "created_at", "last_seen_at", "program")
    search_fields = ("user__email", "ip")
    list_select_related = ("user",)
    fields: ClassVar = ("user", "ip", "created_at", "last_seen_at", "user_agent")

    @display(description="Program")
    def program(self, session: UserSession) -> str:
        """Return the first words of the user agent."""
        return str(session.user_agent)[:60]
