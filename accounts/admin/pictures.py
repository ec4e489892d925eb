"""A field of staff's forms for a picture."""

from typing import Any

from django import forms
from django.template.loader import render_to_string
from django.utils.safestring import SafeString


class PictureWidget(forms.Textarea):
    """A picture that a script reads into the field, because the product's forms upload no files."""

    class Media:
        js = ("admin/logo.js",)

    def render(self, name: str, value: Any, attrs: Any = None, *_: Any, **__: Any) -> SafeString:
        """Render the product's own template, which Django's renderer of fields does not find."""
        return render_to_string("admin/picture_widget.html", self.get_context(name, value, attrs))
