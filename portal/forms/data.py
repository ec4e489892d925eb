"""The form for closing an organisation permanently."""

from typing import Any

from django import forms


class CloseOrganisationForm(forms.Form):
    """The slug, typed as a confirmation."""

    slug = forms.CharField(max_length=50, label="Type the name in the address of these pages to confirm")

    def __init__(self, *args: Any, slug: str, **kwargs: Any) -> None:
        """Set the expected slug."""
        super().__init__(*args, **kwargs)
        self._slug = slug
        self.fields["slug"].help_text = f"<code>{slug}</code>"
        self.fields["slug"].widget.attrs["autocomplete"] = "off"

    def clean_slug(self) -> str:
        """Check the slug."""
        typed = str(self.cleaned_data["slug"]).strip()
        if typed != self._slug:
            raise forms.ValidationError(f"This is not {self._slug}.")
        return typed
