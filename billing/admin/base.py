"""What the pages of money share: they are read, and changed by actions alone, each of which asks first.

A button shows where the object's state allows what it does. Whoever comes too late, with an old page or after a
colleague, is told so by the service in a sentence.
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
    """Why; it stays with what was done."""

    reason = forms.CharField(max_length=REASON_CHARACTERS_MAX, widget=UnfoldAdminTextInputWidget)

    def __init__(self, data: Any = None, *, help_text: str = "Kept in the audit log.") -> None:
        super().__init__(data)
        self.fields["reason"].help_text = help_text


class ApprovalForm(WhyForm):
    """Why an amount is right, and which one was seen."""

    seen_minor = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, data: Any, *, seen_minor: int | None) -> None:
        super().__init__(data, help_text="Why it is right. Kept in the audit log.")
        self.fields["seen_minor"].initial = seen_minor


class MoneyAdmin(ByState, ReadOnlyModelAdmin):
    """A table of money: read, and changed by actions alone."""

    preview_template = "admin/billing/ask_with_preview.html"


def document_response(number: str | None) -> HttpResponse:
    """The stored PDF of an invoice or a credit note; 404 until it has been rendered."""
    stored = DocumentFile.objects.filter(pk=number or "").select_related("file").first()
    if stored is None:
        raise Http404("The PDF is not rendered yet.")
    response = HttpResponse(bytes(stored.file.content), content_type=stored.file.media_type)
    response["Content-Disposition"] = f'inline; filename="{stored.number}.pdf"'
    response["Cache-Control"] = "private, no-store"
    return response


def pdf_response(content: bytes, name: str) -> HttpResponse:
    """Return a PDF that was made for this answer alone."""
    response = HttpResponse(content, content_type="application/pdf")
    response["Content-Disposition"] = f'inline; filename="{name}"'
    response["Cache-Control"] = "private, no-store"
    return response
