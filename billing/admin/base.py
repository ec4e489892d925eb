"""What the pages of money share: they are read, and changed by actions alone, each of which asks first.

A button shows where the object's state allows what it does. Whoever comes too late, with an old page or after a colleague,
is told so by the service in a sentence.
"""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.admin.base import ReadOnlyModelAdmin, StaffModelAdmin
from billing.models import DocumentFile

REASON_CHARACTERS_MAX = 200


class WhyForm(forms.Form):
    """Why; it stays with what was done."""

    reason = forms.CharField(max_length=REASON_CHARACTERS_MAX, widget=UnfoldAdminTextInputWidget)

    def __init__(self, data: Any = None, *, help_text: str = "Kept in the audit log.") -> None:
        super().__init__(data)
        self.fields["reason"].help_text = help_text


class ByState(StaffModelAdmin):
    """A page whose actions depend on the state of its object."""

    def offered(self, obj: Any) -> frozenset[str]:  # noqa: ARG002 - an object of any state
        """The names of the actions that the object's state allows."""
        return frozenset(self._extract_action_names(self.actions_detail))

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        """Only those that the state allows."""
        actions: list[Any] = super().get_actions_detail(request, object_id)
        obj = self.get_object(request, unquote(object_id))
        offered = frozenset() if obj is None else self.offered(obj)
        return [action for action in actions if action.method.original_function_name in offered]

    def decide(
        self,
        request: HttpRequest,
        obj: Any,
        form: forms.Form,
        work: Callable[[dict[str, Any]], Any],
        *,
        name: str,
        said: str | Callable[[Any], str],
        title: str,
        explanation: str,
        button: str,
        preview: Callable[[dict[str, Any]], dict[str, object]] | None = None,
    ) -> HttpResponse:
        """Ask, and do it on the answer; `work` is given what the form says. `name` is the action's.

        With `preview` the page first shows what would come of it, from what the form says.
        """
        is_answered = request.method == "POST" and form.is_valid()
        if is_answered and "preview" not in request.POST:
            return self.attempt(request, lambda: work(form.cleaned_data), said=said, back=self.page_of(obj))
        if request.method != "POST" and name not in self.offered(obj):
            messages.error(request, f"Not possible as it stands: {obj} is {self.state_of(obj)}.")
            return redirect(self.page_of(obj))
        template, extra = "admin/ask_first.html", {}
        if preview is not None:
            template = "admin/billing/ask_with_preview.html"
            extra = {"is_seen": is_answered, **(preview(form.cleaned_data) if is_answered else {})}
        return self.ask_first(
            request, obj, form, title=title, explanation=explanation, button=button, template=template, extra=extra
        )

    def state_of(self, obj: Any) -> str:
        """The object's state in a word."""
        return str(obj.get_status_display()).lower()


class MoneyAdmin(ByState, ReadOnlyModelAdmin):
    """A table of money: read, and changed by actions alone."""


def posted(request: HttpRequest) -> Any:
    """What a form was answered with; a question without a field is answered by nothing."""
    return request.POST if request.method == "POST" else None


def document_response(number: str | None) -> HttpResponse:
    """The stored PDF of an invoice or a credit note; 404 until it has been rendered."""
    stored = DocumentFile.objects.filter(pk=number or "").select_related("file").first()
    if stored is None:
        raise Http404("The PDF is not rendered yet.")
    response = HttpResponse(bytes(stored.file.content), content_type=stored.file.media_type)
    response["Content-Disposition"] = f'inline; filename="{stored.number}.pdf"'
    response["Cache-Control"] = "private, no-store"
    return response
