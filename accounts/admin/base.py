"""What every page of the staff admin shares: the actor, an audit entry for each change, a confirmation page.

Django saves a form that has no service. `StaffModelAdmin` then writes the audit entry in the same transaction.
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
    """Return the member of staff who acts, for services and the audit log."""
    user = request.user
    assert isinstance(user, User), "the admin lets only signed-in users in"
    address = client_ip(
        request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_X_FORWARDED_FOR", ""), settings.TRUSTED_PROXY_COUNT
    )
    return Actor.staff(
        user_id=user.pk, label=user.email, ip=address or None, request_id=str(getattr(request, "request_id", ""))
    )


def holds(permission: str) -> Callable[[Any, HttpRequest, str | None], bool]:
    """Return a permission check that passes if the user has `permission`.

    Given the permission's own name, Unfold would look it up in the database before a migration has created it.
    """

    def has_permission(_page: object, request: HttpRequest, _object_id: str | None = None) -> bool:
        return request.user.has_perm(permission)

    return has_permission


def found_or_404(rows: "QuerySet[Row]", object_id: str) -> Row:
    """Return the row with the quoted id from an admin address. Raises 404 if there is none or the id is malformed."""
    try:
        return get_object_or_404(rows, pk=unquote(object_id))
    except (ValidationError, ValueError) as error:
        raise Http404 from error


@dataclass(frozen=True, slots=True)
class Question:
    """The texts of a confirmation page. `form_action` is the address that the form posts to, if not its own."""

    title: str
    explanation: str
    button: str
    form_action: str = ""


class StaffModelAdmin(ModelAdmin):
    """An admin page on which staff may change things."""

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
        """Save the related rows, then record what this form changed, before and after."""
        super().save_related(request, form, formsets, change)
        before, after = _changes_of_form(form, is_new=not change)
        for formset in formsets:
            after |= _changes_of_formset(formset)
        if after:
            self.audit(request, form.instance, "changed" if change else "created", before=before, after=after)

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        """Record the deletion, then delete the object."""
        self.audit(request, obj, "deleted", before={"name": str(obj)}, after={})
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Delete the objects one by one, so that each gets its audit entry."""
        for obj in queryset:
            self.delete_model(request, obj)

    def audit(
        self, request: HttpRequest, obj: Model, verb: str, *, before: Mapping[str, object], after: Mapping[str, object]
    ) -> None:
        """Write the audit entry of one change."""
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

    def confirmation_page(
        self,
        request: HttpRequest,
        obj: Model,
        form: Any,
        *,
        question: Question,
        template: str = "admin/ask_first.html",
        extra: Mapping[str, object] | None = None,
    ) -> HttpResponse:
        """Render the page that asks for confirmation. `extra` is context for another template."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": None if obj._state.adding else obj,  # noqa: SLF001 - Django documents it
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
        """Return the address of the object's page, or of the list if the object is not stored yet."""
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        if obj._state.adding:  # noqa: SLF001 - Django documents it
            return reverse(f"admin:{name}_changelist")
        return reverse(f"admin:{name}_change", args=[quote(obj.pk)])

    def attempt(
        self, request: HttpRequest, work: Callable[[], Any], *, said: str | Callable[[Any], str], back: str
    ) -> HttpResponse:
        """Run `work` and show a message about its outcome. A `ProblemError` becomes a message, not an error page.

        `said` is the message, or a function that makes it from what `work` returns.
        """
        try:
            done = work()
        except ProblemError as error:
            messages.error(request, error.detail)
        else:
            messages.success(request, said if isinstance(said, str) else said(done))
        return redirect(back)


class ReadOnlyModelAdmin(StaffModelAdmin):
    """A read-only page of a table that only programs write. Long lists are paged without counting rows."""

    paginator = InfinitePaginator
    actions: ClassVar[list[Any]] = []
    warn_unsaved_form = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        return False


class ReadOnlyInline(InlineModelAdmin):  # type: ignore[type-arg]  # mixed into inlines of any model
    """Read-only rows beside an object."""

    extra = 0
    can_delete = False
    show_change_link = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        return False


def _changes_of_form(form: "BaseModelForm[Any]", *, is_new: bool) -> tuple[dict[str, object], dict[str, object]]:
    names = [name for name in form.changed_data if name in form.fields and not _is_secret(name)]
    after: dict[str, object] = {name: _shown(form.cleaned_data.get(name)) for name in names}
    before: dict[str, object] = {} if is_new else {name: _shown(form.initial.get(name)) for name in names}
    hidden = [name for name in form.changed_data if _is_secret(name)]
    return before, after | {f"{name} changed": True for name in hidden[:1]}


def _changes_of_formset(formset: "BaseFormSet[Any]") -> dict[str, object]:
    """Return the names of the rows that were added, changed and deleted."""
    changes: dict[str, object] = {}
    for verb in ("new_objects", "changed_objects", "deleted_objects"):
        rows = [row[0] if isinstance(row, tuple) else row for row in getattr(formset, verb, [])]
        if rows:
            changes[f"{formset.prefix} {verb.removesuffix('_objects')}"] = [str(row) for row in rows]
    return changes


def _is_secret(name: str) -> bool:
    return name in SECRET_NAMES or "password" in name


def _shown(value: object) -> object:
    """Return the value in a form that the audit log can store."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, QuerySet | list | tuple):
        return [str(item)[:TEXT_CHARACTERS_MAX] for item in value]
    return str(value)[:TEXT_CHARACTERS_MAX]
