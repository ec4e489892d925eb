"""Pages whose objects are changed only by actions, each of which asks for confirmation.

A button is shown if the object's state allows its action. If the state has changed since the page was loaded, the
service refuses the action and the page shows why.
"""

from collections.abc import Callable
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from accounts.admin.base import Question, StaffModelAdmin


class ConfirmForm(forms.Form):
    """A confirmation form without fields."""


class ByState(StaffModelAdmin):
    """A page whose actions depend on the state of its object."""

    preview_template: ClassVar[str] = ""

    def offered(self, obj: Any) -> frozenset[str]:  # noqa: ARG002 - an object of any state
        """Return the names of the actions that the object's state allows."""
        return frozenset(self._extract_action_names(self.actions_detail))

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        """Return the actions that the object's state allows."""
        actions: list[Any] = super().get_actions_detail(request, object_id)
        obj = self.get_object(request, unquote(object_id))
        offered = frozenset() if obj is None else self.offered(obj)
        return [action for action in actions if action.method.original_function_name in offered]

    def decide(
        self,
        request: HttpRequest,
        obj: Any,
        form: forms.BaseForm,
        work: Callable[[dict[str, Any]], Any],
        *,
        name: str,
        said: str | Callable[[Any], str],
        question: Question,
        preview: Callable[[dict[str, Any]], dict[str, object]] | None = None,
    ) -> HttpResponse:
        """Render the confirmation page, or run `work` with the form's values when the form is posted.

        `name` is the action's name. With `preview`, the first post shows what the action would do.
        """
        is_valid = request.method == "POST" and form.is_valid()
        if is_valid and "preview" not in request.POST:
            return self.attempt(request, lambda: work(form.cleaned_data), said=said, back=self.page_of(obj))
        if request.method != "POST" and name not in self.offered(obj):
            messages.error(request, f"Not possible now: {obj} is {self.state_of(obj)}.")
            return redirect(self.page_of(obj))
        template, extra = "admin/ask_first.html", {}
        if preview is not None:
            template = self.preview_template
            extra = {"is_seen": is_valid, **(preview(form.cleaned_data) if is_valid else {})}
        return self.confirmation_page(request, obj, form, question=question, template=template, extra=extra)

    def state_of(self, obj: Any) -> str:
        """Return the object's state in one word."""
        return str(obj.get_status_display()).lower()


def posted(request: HttpRequest) -> Any:
    """Return the posted data, or None if nothing was posted."""
    return request.POST if request.method == "POST" else None
