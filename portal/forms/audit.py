"""The filter of audit entries."""

from collections.abc import Iterable
from typing import Any

from django import forms

from portal.forms.statement import SpanForm


class AuditFilterForm(SpanForm):
    """The filter by actor or target, action and days."""

    search = forms.CharField(required=False, max_length=100, label="Who or what")
    action = forms.ChoiceField(required=False)

    def __init__(self, *args: Any, actions: Iterable[str], **kwargs: Any) -> None:
        """Offer the actions that the log has."""
        super().__init__(*args, **kwargs)
        field = self.fields["action"]
        assert isinstance(field, forms.ChoiceField), "the form's own field"
        field.choices = [("", "Every action"), *((action, action) for action in actions)]
