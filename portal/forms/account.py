"""Deleting the own account."""

from typing import Any

from django import forms


class DeleteAccountForm(forms.Form):
    """The person's own address, typed, as the last question."""

    email = forms.EmailField(max_length=254, label="Type your e-mail address to confirm")

    def __init__(self, *args: Any, email: str, **kwargs: Any) -> None:
        """Take the address that is expected."""
        super().__init__(*args, **kwargs)
        self._email = email
        self.fields["email"].widget.attrs["autocomplete"] = "off"

    def clean_email(self) -> str:
        """Take nothing but the own address."""
        typed = str(self.cleaned_data["email"])
        if typed.casefold() != self._email.casefold():
            raise forms.ValidationError(f"This is not {self._email}.")
        return typed
