"""The forms for members, invitations and new tenants."""

from collections.abc import Iterable
from typing import Any, Final

from django import forms

from accounts.domain.roles import Role

_ROLE_HELP: Final = {
    Role.OWNER: "Owner: everything, including other owners",
    Role.ADMIN: "Admin: everything but owners",
    Role.DEVELOPER: "Developer: keys and usage",
    Role.BILLING: "Billing: plan, invoices and usage",
    Role.VIEWER: "Viewer: reads usage",
}


class RoleForm(forms.Form):
    """The choice of a member's role, of those that the acting member may give."""

    role = forms.ChoiceField()

    def __init__(self, *args: Any, roles: Iterable[Role], **kwargs: Any) -> None:
        """Offer `roles`."""
        super().__init__(*args, **kwargs)
        field = self.fields["role"]
        assert isinstance(field, forms.ChoiceField), "the form's own field"
        field.choices = [(role.value, _ROLE_HELP[role]) for role in roles]


class MemberForm(RoleForm):
    """A member's new role, and the choice to revoke keys that they created."""

    revokes_keys = forms.BooleanField(required=False, label="Revoke their keys that allow more than the new role")

    def __init__(self, *args: Any, keys: Iterable[str], **kwargs: Any) -> None:
        """List the keys that still work; without any the choice is not shown."""
        super().__init__(*args, **kwargs)
        named = ", ".join(keys)
        if named:
            self.fields["revokes_keys"].help_text = f"They created: {named}. Otherwise these keys keep working."
        else:
            del self.fields["revokes_keys"]


class InviteForm(RoleForm):
    """The address and the role of an invitation."""

    email = forms.EmailField(
        max_length=254, label="E-mail address", widget=forms.EmailInput(attrs={"autocomplete": "off"})
    )
    field_order = ("email", "role")


class MembersFilterForm(forms.Form):
    """The filter of members."""

    search = forms.CharField(required=False, max_length=100, label="Name or address")
    role = forms.ChoiceField(
        required=False, choices=[("", "Every role"), *((role.value, role.value.capitalize()) for role in Role)]
    )


class NewTenantForm(forms.Form):
    """The name of a new tenant; everything else has a default and is changed in the settings."""

    name = forms.CharField(
        max_length=120,
        label="Name of your organisation",
        widget=forms.TextInput(attrs={"autocomplete": "organization"}),
    )
    time_zone = forms.CharField(
        required=False, max_length=64, widget=forms.HiddenInput(attrs={"data-browser-time-zone": ""})
    )
