"""What the pages of money share: they are read-only, and change by actions alone. Each action asks first.

A button shows if the object's state allows its action. A member of staff who submits an old page, or acts after a
colleague, sees the service's error message.
"""

from typing import Any

from django import forms
from django.http import Http404, HttpResponse
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.admin.base import ReadOnlyModelAdmin
from accounts.admin.by_state import ByState
from billing.models import DocumentFile

REASON_CHARACTERS_MAX = 200


class WhyForm(forms.Form):
    """The reason for an action. It is stored with the action."""

    reason = forms.CharField(max_length=REASON_CHARACTERS_MAX, widget=UnfoldAdminTextInputWidget)

    def __init__(self, data: Any = None, *, help_text: str = "Kept in the audit log.") -> None:
        super().__init__(data)
        self.fields["reason"].help_text = help_text


class ApprovalForm(WhyForm):
    """The reason why an amount is right, and the amount that the member of staff saw."""

    seen_minor = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, data: Any, *, seen_minor: int | None) -> None:
        super().__init__(data, help_text="The reason. Kept in the audit log.")
        self.fields["seen_minor"].initial = seen_minor


class MoneyAdmin(ByState, ReadOnlyModelAdmin):
    """A table of money: read-only, changed by actions alone."""

    preview_template = "admin/billing/ask_with_preview.html"


def document_response(number: str | None) -> HttpResponse:
    """Return the stored PDF of an invoice or a credit note. Raise `Http404` until it has been rendered."""
    stored = DocumentFile.objects.filter(pk=number or "").select_related("file").first()
    if stored is None:
        raise Http404("The PDF is not rendered yet.")
    response = HttpResponse(bytes(stored.file.content), content_type=stored.file.media_type)
    response["Content-Disposition"] = f'inline; filename="{stored.number}.pdf"'
    response["Cache-Control"] = "private, no-store"
    return response


def pdf_response(content: bytes, name: str) -> HttpResponse:
    """Return a PDF that was rendered for this response alone."""
    response = HttpResponse(content, content_type="application/pdf")
    response["Content-Disposition"] = f'inline; filename="{name}"'
    response["Cache-Control"] = "private, no-store"
    return response
