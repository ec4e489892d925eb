"""Django's exception reports, for pages and mails, without secrets.

Django hides settings and headers by their names. Here the same names hide local variables and form fields, too, even if
DEBUG is on. Other secrets are masked by their shape.
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
    """Hides values by their names, also inside of mappings."""

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
    """Masks what has the shape of a secret in the finished report."""

    def get_traceback_html(self) -> SafeString:
        """Return the report as a page."""
        return mark_safe(mask_secrets(super().get_traceback_html()))  # noqa: S308 - Django's template escaped it

    def get_traceback_text(self) -> SafeString:
        """Return the report as text."""
        return mark_safe(mask_secrets(super().get_traceback_text()))  # noqa: S308 - as above
