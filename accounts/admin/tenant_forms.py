"""Forms on a tenant's page in the staff admin."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.domain.tenant_settings import SETTINGS, clean_settings
from accounts.errors import InvalidFieldsError
from accounts.models import Membership, Tenant


class TenantForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's own is not generic at run time
    """The settings of a tenant, with the same validation as the tenant's own page."""

    class Meta:
        model = Tenant
        fields = sorted(SETTINGS)

    def clean(self) -> dict[str, Any]:
        """Validate by the same rules as the portal and the API."""
        cleaned = super().clean() or self.cleaned_data
        given = {name: cleaned[name] for name in SETTINGS & set(cleaned)}
        try:
            cleaned |= clean_settings(given, stored=self.initial)
        except InvalidFieldsError as error:
            for refused in error.field_errors:
                self.add_error(refused.pointer.strip("/").split("/")[0], refused.detail)
        return cleaned


class ReasonForm(forms.Form):
    """A reason that the tenant's members see."""

    reason = forms.CharField(
        max_length=200, widget=UnfoldAdminTextInputWidget, help_text="The tenant's members see it."
    )


class ViewAsForm(forms.Form):
    """The member to view as, and the reason. It posts to the view that begins the viewing."""

    user_pk = forms.TypedChoiceField(label="Member", coerce=int, widget=UnfoldAdminSelectWidget)
    reason = forms.CharField(
        max_length=200, widget=UnfoldAdminTextInputWidget, help_text="Kept in the tenant's audit log."
    )
    tenant = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, tenant: Tenant, members: list[Membership]) -> None:
        super().__init__(
            initial={
                "tenant": tenant.pk,
                "user_pk": members[0].user_id if members else None,
            }
        )
        self.fields["user_pk"].choices = [  # type: ignore[attr-defined]
            (member.user_id, f"{member.user.get_full_name()}, {member.role}") for member in members
        ]
