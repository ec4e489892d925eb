"""The form for deleting the user's own account."""

from typing import Any

from django import forms


class DeleteAccountForm(forms.Form):
    """The user's own address, typed as a confirmation."""

    email = forms.EmailField(max_length=254, label="Type your e-mail address to confirm")

    def __init__(self, *args: Any, email: str, **kwargs: Any) -> None:
        """Set the expected address."""
        super().__init__(*args, **kwargs)
        self._email = email
        self.fields["email"].widget.attrs["autocomplete"] = "off"

    def clean_email(self) -> str:
        """Check that the address is the user's own."""
        typed = str(self.cleaned_data["email"])
        if typed.casefold() != self._email.casefold():
            raise forms.ValidationError(f"This is not {self._email}.")
        return typed
