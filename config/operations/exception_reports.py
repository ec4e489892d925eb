"""What a page or a mail about an exception shows: Django's, without secrets.

Django hides settings and headers by their names. Here the same names hide local variables and form fields, too, also
while DEBUG is on; and what is left is masked by its shape.
"""

import re
from collections.abc import ItemsView
from types import FrameType
from typing import Any

from django.http import HttpRequest
from django.utils.safestring import SafeString, mark_safe
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from accounts.domain.masking import mask_secrets


class ExceptionReportFilter(SafeExceptionReporterFilter):
    """Hides what has a telling name, wherever it stands; what is inside of a mapping as well."""

    hidden_settings = re.compile(r"API|AUTH|TOKEN|KEY|SECRET|PASS|SIGNATURE|COOKIE|SESSION|\bcode\b", re.IGNORECASE)

    def get_traceback_frame_variables(self, request: Any, tb_frame: FrameType) -> ItemsView[str, Any]:
        """Return a frame's variables."""
        variables = super().get_traceback_frame_variables(request, tb_frame)
        return {name: self.cleanse_setting(name, value) for name, value in variables}.items()

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        """Return the fields of the form."""
        fields = super().get_post_parameters(request)
        return {name: self.cleanse_setting(name, value) for name, value in fields.items()}


class MaskingExceptionReporter(ExceptionReporter):
    """Masks what has the shape of a secret in the finished page."""

    def get_traceback_html(self) -> SafeString:
        """Return the page."""
        return mark_safe(mask_secrets(super().get_traceback_html()))  # noqa: S308 - Django's template escaped it

    def get_traceback_text(self) -> SafeString:
        """Return the same as text."""
        return mark_safe(mask_secrets(super().get_traceback_text()))  # noqa: S308 - as above
