"""What every page of the staff admin shares: who acts, an audit entry for each change, a question before a danger.

A form that no service stands behind is saved by Django; `StaffModelAdmin` then writes the audit entry in the same
transaction.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from django.conf import settings
from django.contrib import messages
from django.contrib.admin.options import InlineModelAdmin
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.forms import BaseModelForm
from django.forms.formsets import BaseFormSet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from accounts.domain.actor import Actor
from accounts.domain.networks import client_ip
from accounts.errors import ProblemError
from accounts.models import Tenant, User
from accounts.services.audit import SECRET_NAMES, AuditTarget, record_audit

TEXT_CHARACTERS_MAX = 500
Row = TypeVar("Row", bound=Model)


def staff_actor(request: HttpRequest) -> Actor:
    """Who acts in the admin, for services and the audit log."""
    user = request.user
    assert isinstance(user, User), "the admin lets nobody in who has not signed in"
    address = client_ip(
        request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_X_FORWARDED_FOR", ""), settings.TRUSTED_PROXY_COUNT
    )
    return Actor.staff(
        user_id=user.pk, label=user.email, ip=address or None, request_id=str(getattr(request, "request_id", ""))
    )


def holds(permission: str) -> Callable[[Any, HttpRequest, str | None], bool]:
    """A page's check that lets an action to whoever holds `permission`.

    Unfold would take the permission's own name, and look it up in the database before a migration has put it there.
    """

    def has_permission(_page: object, request: HttpRequest, _object_id: str | None = None) -> bool:
        return request.user.has_perm(permission)

    return has_permission


def found_or_404(rows: "QuerySet[Row]", object_id: str) -> Row:
    """The row of this id, as addresses of the admin quote it; an id of another form names nothing."""
    try:
        return get_object_or_404(rows, pk=unquote(object_id))
    except (ValidationError, ValueError) as error:
        raise Http404 from error


@dataclass(frozen=True, slots=True)
class Question:
    """What the page between a button and what it does says; `form_action` is where another page's answer goes."""

    title: str
    explanation: str
    button: str
    form_action: str = ""


class StaffModelAdmin(ModelAdmin):
    """A page that staff may change things on."""

    compressed_fields = True
    list_fullwidth = True
    list_per_page = 50
    show_full_result_count = False
    warn_unsaved_form = True

    def save_related(
        self,
        request: HttpRequest,
        form: "BaseModelForm[Any]",
        formsets: Iterable["BaseFormSet[Any]"],
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        """Save the rows that belong to the object, then record what this form changed, before and after."""
        super().save_related(request, form, formsets, change)
        before, after = _changes_of_form(form, is_new=not change)
        for formset in formsets:
            after |= _changes_of_formset(formset)
        if after:
            self.audit(request, form.instance, "changed" if change else "created", before=before, after=after)

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        """Record what was deleted, and delete it."""
        self.audit(request, obj, "deleted", before={"name": str(obj)}, after={})
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """One by one, so that each leaves its entry."""
        for obj in queryset:
            self.delete_model(request, obj)

    def audit(
        self, request: HttpRequest, obj: Model, verb: str, *, before: Mapping[str, object], after: Mapping[str, object]
    ) -> None:
        """Write the entry of one change."""
        kind = obj._meta.model_name or ""  # noqa: SLF001 - Django documents it
        record_audit(
            actor=staff_actor(request),
            action=f"{kind}.{verb}",
            tenant_id=obj.pk if isinstance(obj, Tenant) else getattr(obj, "tenant_id", None),
            target=AuditTarget(kind, obj.pk, str(obj)),
            before=before,
            after=after,
            as_of=timezone.now(),
        )

    def ask_first(
        self,
        request: HttpRequest,
        obj: Model,
        form: Any,
        *,
        question: Question,
        template: str = "admin/ask_first.html",
        extra: Mapping[str, object] | None = None,
    ) -> HttpResponse:
        """The page between a button and what it does; `extra` is what another template shows beside the question."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": obj,
            "form": form,
            "title": question.title,
            "explanation": question.explanation,
            "button": question.button,
            "form_action": question.form_action,
            "cancel_url": self.page_of(obj),
            "media": self.media,
            **(extra or {}),
        }
        return TemplateResponse(request, template, context)

    def page_of(self, obj: Model) -> str:
        """Where an object is shown; the list, for one that is not stored yet."""
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        if obj._state.adding:  # noqa: SLF001 - Django documents it
            return reverse(f"admin:{name}_changelist")
        return reverse(f"admin:{name}_change", args=[quote(obj.pk)])

    def attempt(
        self, request: HttpRequest, work: Callable[[], Any], *, said: str | Callable[[Any], str], back: str
    ) -> HttpResponse:
        """Do it and say so, or say why not: what another has done meanwhile is a sentence, not an error.

        `said` may be made from what `work` returns.
        """
        try:
            done = work()
        except ProblemError as error:
            messages.error(request, error.detail)
        else:
            messages.success(request, said if isinstance(said, str) else said(done))
        return redirect(back)


class ReadOnlyModelAdmin(StaffModelAdmin):
    """A table that a machine writes: staff look, and change nothing. Long ones are paged without being counted."""

    paginator = InfinitePaginator
    actions: ClassVar[list[Any]] = []
    warn_unsaved_form = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Nobody adds."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Nobody changes."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Nobody deletes."""
        return False


class ReadOnlyInline(InlineModelAdmin):  # type: ignore[type-arg]  # mixed into inlines of any model
    """Rows shown beside an object."""

    extra = 0
    can_delete = False
    show_change_link = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Nobody adds."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Nobody changes."""
        return False


def _changes_of_form(form: "BaseModelForm[Any]", *, is_new: bool) -> tuple[dict[str, object], dict[str, object]]:
    names = [name for name in form.changed_data if name in form.fields and not _is_secret(name)]
    after: dict[str, object] = {name: _shown(form.cleaned_data.get(name)) for name in names}
    before: dict[str, object] = {} if is_new else {name: _shown(form.initial.get(name)) for name in names}
    hidden = [name for name in form.changed_data if _is_secret(name)]
    return before, after | {f"{name} changed": True for name in hidden[:1]}


def _changes_of_formset(formset: "BaseFormSet[Any]") -> dict[str, object]:
    """Rows that were added, changed and deleted, as a reader names them."""
    changes: dict[str, object] = {}
    for verb in ("new_objects", "changed_objects", "deleted_objects"):
        rows = [row[0] if isinstance(row, tuple) else row for row in getattr(formset, verb, [])]
        if rows:
            changes[f"{formset.prefix} {verb.removesuffix('_objects')}"] = [str(row) for row in rows]
    return changes


def _is_secret(name: str) -> bool:
    return name in SECRET_NAMES or "password" in name


def _shown(value: object) -> object:
    """A value as the audit log can keep it."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, QuerySet | list | tuple):
        return [str(item)[:TEXT_CHARACTERS_MAX] for item in value]
    return str(value)[:TEXT_CHARACTERS_MAX]
