"""Pages whose objects are changed by actions alone, each of which asks first.

A button shows where the object's state allows what it does. Whoever comes too late, with an old page or after a
colleague, is told so by the service in a sentence.
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
    """A question without a field."""


class ByState(StaffModelAdmin):
    """A page whose actions depend on the state of its object."""

    preview_template: ClassVar[str] = ""

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
        question: Question,
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
            template = self.preview_template
            extra = {"is_seen": is_answered, **(preview(form.cleaned_data) if is_answered else {})}
        return self.ask_first(request, obj, form, question=question, template=template, extra=extra)

    def state_of(self, obj: Any) -> str:
        """The object's state in a word."""
        return str(obj.get_status_display()).lower()


def posted(request: HttpRequest) -> Any:
    """What a form was answered with; a question without a field is answered by nothing."""
    return request.POST if request.method == "POST" else None
