"""Closing an organisation for good."""

from typing import Any

from django import forms


class CloseForm(forms.Form):
    """The slug, typed, as the last question."""

    slug = forms.CharField(max_length=50, label="Type the name in the address of these pages to confirm")

    def __init__(self, *args: Any, slug: str, **kwargs: Any) -> None:
        """Take the slug that is expected."""
        super().__init__(*args, **kwargs)
        self._slug = slug
        self.fields["slug"].help_text = f"<code>{slug}</code>"
        self.fields["slug"].widget.attrs["autocomplete"] = "off"

    def clean_slug(self) -> str:
        """Take nothing but the slug."""
        typed = str(self.cleaned_data["slug"]).strip()
        if typed != self._slug:
            raise forms.ValidationError(f"This is not {self._slug}.")
        return typed
