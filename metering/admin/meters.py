"""The admin of meters. A meter's rule is fixed once the meter counts; afterwards it gets new versions."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from accounts.admin.base import Question, StaffModelAdmin, found_or_404, holds, staff_actor
from accounts.admin.by_state import ByState, ConfirmForm, posted
from accounts.admin.refusals import show_refusals
from metering.domain.aggregations.registry import aggregation_named
from metering.domain.meter_terms import MeterTerms, check_meter_terms, version_may_be_cancelled
from metering.models import Meter, MeterVersion
from metering.models.catalog import MeterDefinition
from metering.selectors.meter_fills import progress_of
from metering.services.meter_filling import request_fill
from metering.services.meter_versions import cancel_version, check_version, create_version
from metering.services.meters import create_meter, delete_meter, terms_of, update_meter

DEFINITION_FIELDS = ("aggregation", "value_property", "formula", "dimensions", "filters")
RULE_FIELDS = ("code", "event_type", *DEFINITION_FIELDS, "counts_from")


def rule_in_words(definition: MeterDefinition) -> str:
    """Return what a version of a meter measures, such as `Sum of a value: bytes`."""
    aggregation = aggregation_named(definition.aggregation)
    if not aggregation.takes_property:
        return aggregation.name
    by_default = "subject" if aggregation.measures_text else "quantity"
    return f"{aggregation.name}: {definition.formula or definition.value_property or by_default}"


class DefinitionForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's own is not generic at run time
    """What a form of a meter and one of its versions share: the definition, as the domain reads it."""

    class Meta:
        widgets: ClassVar = {
            "dimensions": UnfoldAdminTextInputWidget,
            "filters": UnfoldAdminTextareaWidget(attrs={"rows": 3}),
            "formula": UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        }

    def definition(self) -> dict[str, Any]:
        """Return the parts of the definition that the form shows, as terms of a meter."""
        given = {name: self.cleaned_data[name] for name in DEFINITION_FIELDS if name in self.cleaned_data}
        if "dimensions" in given:
            given["dimensions"] = tuple(name.strip() for name in given["dimensions"] or ())
        if "filters" in given:
            given["filters"] = given["filters"] or {}
        return given


class MeterForm(DefinitionForm):
    """The form of a meter. It shows what the service would refuse before it calls the service."""

    class Meta(DefinitionForm.Meta):
        model = Meter
        fields = ("code", "name", "unit", *RULE_FIELDS[1:])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "counts_from" in self.fields:
            self.fields["counts_from"].required = False
            self.fields["counts_from"].help_text = (
                "Leave empty to start in ten seconds: the rule can be changed until then. A moment in the past counts"
                " the events received since, and is final at once."
            )

    def clean(self) -> dict[str, Any]:
        """Check the terms by the domain's rules, if every field could be read."""
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            show_refusals(self, lambda: check_meter_terms(self.terms()))
        return cleaned

    def terms(self) -> MeterTerms:
        """Return the terms in the form; a field that the form does not show keeps its stored value."""
        fixed = (*DEFINITION_FIELDS, "counts_from")
        given = {name: value for name, value in self.cleaned_data.items() if name not in fixed} | self.definition()
        if "event_type" in given:
            given["event_type"] = given["event_type"].code
        stored = Meter.objects.select_related("event_type").filter(pk=self.instance.pk).first()
        return replace(terms_of(stored), **given) if stored else MeterTerms(**given)


class MeterVersionForm(DefinitionForm):
    """The form of a new version of a meter, which begins with the latest definition."""

    class Meta(DefinitionForm.Meta):
        model = MeterVersion
        fields = ("begins_at", *DEFINITION_FIELDS)
        widgets: ClassVar = {
            **DefinitionForm.Meta.widgets,
            "begins_at": UnfoldAdminTextInputWidget(attrs={"placeholder": "2026-12-01 00:00"}),
            "aggregation": UnfoldAdminSelectWidget,
            "value_property": UnfoldAdminTextInputWidget,
        }

    def __init__(self, data: Any, *, meter: Meter) -> None:
        self.meter = meter
        self.latest = meter.versions.order_by("number").last()
        initial = {name: getattr(self.latest or meter, name) for name in DEFINITION_FIELDS}
        super().__init__(data, initial=initial)
        begins_at = self.fields["begins_at"]
        begins_at.required = False
        begins_at.label = "Begins at (UTC)"
        begins_at.help_text = "Leave empty for as soon as possible, which is in some minutes."

    def clean(self) -> dict[str, Any]:
        """Check the definition by the domain's rules, if every field could be read."""
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            begins_at, as_of = cleaned["begins_at"], timezone.now()
            show_refusals(
                self, lambda: check_version(meter=self.meter, terms=self.terms(), begins_at=begins_at, as_of=as_of)
            )
        return cleaned

    def terms(self) -> MeterTerms:
        """Return the terms of the meter in this version."""
        return replace(terms_of(self.meter, self.latest), **self.definition())


@admin.register(Meter)
class MeterAdmin(ByState, StaffModelAdmin):
    """The admin of meters."""

    change_form_before_template = "admin/meter_versions.html"
    actions_detail: ClassVar = ["new_version", "cancel_version", "fill_again"]

    form = MeterForm
    list_display = ("shown_name", "event_type", "rule", "version", "unit", "counts_from", "state")
    list_filter = ("aggregation", "event_type")
    list_select_related = ("event_type",)
    search_fields = ("code", "name")
    autocomplete_fields = ("event_type",)
    fieldsets = (
        (None, {"fields": ("code", "name", "unit")}),
        ("Rule", {"fields": RULE_FIELDS[1:]}),
    )

    has_new_version_permission = holds("metering.change_meter")
    has_cancel_version_permission = holds("metering.change_meter")
    has_fill_again_permission = holds("metering.change_meter")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return meters with their versions, in a fixed number of queries."""
        rows: QuerySet[Any] = super().get_queryset(request).prefetch_related("versions")
        return rows

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Render the form below the meter's versions, and how far it is filled."""
        meter = None if object_id is None else self.get_object(request, unquote(object_id))
        shown = {} if meter is None else {"versions": shown_versions(meter), "filling": filling_of(meter)}
        return super().changeform_view(request, object_id, form_url, shown | (extra_context or {}))

    def offered(self, obj: Meter) -> frozenset[str]:
        """Return the actions of a meter that counts; and for its last version, whether it can be cancelled."""
        as_of = timezone.now()
        latest = obj.versions.order_by("number").last()
        names = {
            "new_version": obj.counts_from <= as_of,
            "cancel_version": latest is not None and version_may_be_cancelled(latest.begins_at, as_of),
            "fill_again": obj.counts_from <= as_of
            and obj.fill_from is None
            and aggregation_named(obj.aggregation).is_mergeable,
        }
        return frozenset(name for name, is_offered in names.items() if is_offered)

    def state_of(self, obj: Meter) -> str:
        """Return whether the meter counts."""
        return "counting" if obj.counts_from <= timezone.now() else "not counting yet"

    @action(description="New version", permissions=["new_version"], icon="difference")
    def new_version(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Read a definition that begins with the latest one, and create a version."""
        meter = found_or_404(Meter.objects.select_related("event_type"), object_id)
        form = MeterVersionForm(posted(request), meter=meter)
        return self.decide(
            request,
            meter,
            form,
            lambda given: create_version(
                meter=meter,
                terms=form.terms(),
                begins_at=given["begins_at"],
                actor=staff_actor(request),
                as_of=timezone.now(),
            ),
            name="new_version",
            said=lambda made: (
                f"Version {made.number} counts the events that occur from {made.begins_at:%Y-%m-%d %H:%M} UTC on."
            ),
            question=Question(
                title=f"New version of {meter}",
                explanation="It counts the events that occur from a moment on, also those that arrive late. Earlier "
                "events keep the version of their time, and so do invoices.",
                button="Create version",
            ),
        )

    @action(description="Cancel the next version", permissions=["cancel_version"], icon="event_busy")
    def cancel_version(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Require a confirmation, then delete the last version, which counts nothing yet."""
        meter = found_or_404(Meter.objects.all(), object_id)
        latest = meter.versions.order_by("number").last()
        if latest is None:
            raise Http404
        return self.decide(
            request,
            meter,
            ConfirmForm(posted(request)),
            lambda _: cancel_version(version=latest, actor=staff_actor(request), as_of=timezone.now()),
            name="cancel_version",
            said="The version is cancelled.",
            question=Question(
                title=f"Cancel version {latest.number} of {meter}?",
                explanation="It has counted no event. The version before it goes on.",
                button="Cancel version",
            ),
        )

    @action(description="Fill again", permissions=["fill_again"], icon="restart_alt")
    def fill_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Require a confirmation, then have a worker compute the meter's usage again."""
        meter = found_or_404(Meter.objects.all(), object_id)
        return self.decide(
            request,
            meter,
            ConfirmForm(posted(request)),
            lambda _: request_fill(meter=meter, actor=staff_actor(request), as_of=timezone.now()),
            name="fill_again",
            said="A worker computes it again, day by day. This page shows how far it is.",
            question=Question(
                title=f"Compute the usage of {meter} again?",
                explanation="Each day is computed again from the events, in all tenants. Until then usage is read from "
                "the events, which takes longer.",
                button="Compute again",
            ),
        )

    @display(description="Version")
    def version(self, meter: Meter) -> int:
        """Return the number of the version that counts the events of now."""
        return 1 + len(self._begun(meter))

    def _begun(self, meter: Meter) -> list[MeterVersion]:
        as_of = timezone.now()
        return [version for version in meter.versions.all() if version.begins_at <= as_of]

    @display(description="State", label={"counts": "success", "begins later": "info", "is being filled": "warning"})
    def state(self, meter: Meter) -> str:
        """Return whether the meter counts, and has all of its events."""
        if meter.fill_from is not None:
            return "is being filled"
        return "counts" if meter.counts_from <= timezone.now() else "begins later"

    @display(description="Meter", header=True, ordering="code")
    def shown_name(self, meter: Meter) -> list[str]:
        """Return the name and, below it, the code."""
        return [meter.name, meter.code]

    @display(description="Rule")
    def rule(self, meter: Meter) -> str:
        """Return the rule of now in words."""
        return rule_in_words((meter, *self._begun(meter))[-1])

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        """Return every field but the name and description once the meter counts."""
        has_begun = isinstance(obj, Meter) and obj.counts_from <= timezone.now()
        return RULE_FIELDS if has_begun else tuple(super().get_readonly_fields(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Return whether the meter has not begun to count."""
        if isinstance(obj, Meter) and obj.counts_from <= timezone.now():
            return False
        return obj is not None and bool(super().has_delete_permission(request, obj))

    def audit(
        self, request: HttpRequest, obj: Model, verb: str, *, before: Mapping[str, object], after: Mapping[str, object]
    ) -> None:
        """Write nothing: the services that this page calls write the entries."""

    def save_model(self, request: HttpRequest, obj: Meter, form: MeterForm, change: bool) -> None:  # noqa: FBT001 - Django's signature
        """Save through the service, which writes the audit entry."""
        counts_from = form.cleaned_data.get("counts_from")
        actor, as_of = staff_actor(request), timezone.now()
        if change:
            update_meter(meter=obj, terms=form.terms(), counts_from=counts_from, actor=actor, as_of=as_of)
        else:
            made = create_meter(terms=form.terms(), counts_from=counts_from, actor=actor, as_of=as_of)
            obj.pk, obj._state.adding = made.pk, False  # noqa: SLF001 - Django documents it

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        """Delete through the service, which writes the audit entry."""
        assert isinstance(obj, Meter), "the page is of meters"
        delete_meter(meter=obj, actor=staff_actor(request), as_of=timezone.now())


def shown_versions(meter: Meter) -> list[dict[str, object]]:
    """Return the versions of a meter for its page, the newest first; none if there is only one."""
    versions = [meter, *meter.versions.order_by("number")]
    rows: list[dict[str, object]] = [
        {
            "number": number,
            "begins_at": getattr(version, "begins_at", None),
            "rule": rule_in_words(version),
            "filters": json.dumps(version.filters) if version.filters else "none",
            "dimensions": ", ".join(version.dimensions) or "none",
        }
        for number, version in enumerate(versions, start=1)
    ]
    return rows[::-1] if len(rows) > 1 else []


def filling_of(meter: Meter) -> str:
    """Return how far a meter is filled, if it is being filled."""
    progress = progress_of([meter.pk]).get(meter.pk)
    return "" if progress is None else str(progress)
