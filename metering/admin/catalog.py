"""The admin of event types and meters. A meter's rule is fixed once the meter begins to count."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Count, Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from accounts.admin.base import StaffModelAdmin, staff_actor
from accounts.admin.refusals import show_refusals
from metering.domain.aggregations.registry import aggregation_named
from metering.domain.meter_terms import MeterTerms, check_meter_terms
from metering.models import EventType, Meter
from metering.services.event_types import create_event_type, update_event_type
from metering.services.meters import create_meter, delete_meter, terms_of, update_meter

RULE_FIELDS = ("code", "event_type", "aggregation", "value_property", "dimensions", "filters", "counts_from")


class MeterForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's own is not generic at run time
    """The form of a meter. It shows what the service would refuse before it calls the service."""

    class Meta:
        model = Meter
        fields = ("code", "name", "unit", *RULE_FIELDS[1:])
        widgets: ClassVar = {
            "dimensions": UnfoldAdminTextInputWidget,
            "filters": UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "counts_from" in self.fields:
            self.fields["counts_from"].required = False
            self.fields[
                "counts_from"
            ].help_text = "Leave empty to start in ten seconds. The rule can be changed until then, but not afterwards."

    def clean(self) -> dict[str, Any]:
        """Check the terms by the domain's rules, if every field could be read."""
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            show_refusals(self, lambda: check_meter_terms(self.terms()))
        return cleaned

    def terms(self) -> MeterTerms:
        """Return the terms in the form; a field that the form does not show keeps its stored value."""
        given = {name: value for name, value in self.cleaned_data.items() if name != "counts_from"}
        if "dimensions" in given:
            given["dimensions"] = tuple(name.strip() for name in given["dimensions"] or ())
        if "filters" in given:
            given["filters"] = given["filters"] or {}
        if "event_type" in given:
            given["event_type"] = given["event_type"].code
        stored = Meter.objects.select_related("event_type").filter(pk=self.instance.pk).first()
        return replace(terms_of(stored), **given) if stored else MeterTerms(**given)


@admin.register(Meter)
class MeterAdmin(StaffModelAdmin):
    """The admin of meters."""

    form = MeterForm
    list_display = ("shown_name", "event_type", "rule", "unit", "counts_from")
    list_filter = ("aggregation", "event_type")
    list_select_related = ("event_type",)
    search_fields = ("code", "name")
    autocomplete_fields = ("event_type",)
    fieldsets = (
        (None, {"fields": ("code", "name", "unit")}),
        ("Rule", {"fields": ("event_type", "aggregation", "value_property", "dimensions", "filters", "counts_from")}),
    )

    @display(description="Meter", header=True, ordering="code")
    def shown_name(self, meter: Meter) -> list[str]:
        """Return the name and, below it, the code."""
        return [meter.name, meter.code]

    @display(description="Rule")
    def rule(self, meter: Meter) -> str:
        """Return the rule in words."""
        aggregation = aggregation_named(meter.aggregation)
        return (
            f"{aggregation.name}: {meter.value_property or 'quantity'}"
            if aggregation.takes_property
            else aggregation.name
        )

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


@admin.register(EventType)
class EventTypeAdmin(StaffModelAdmin):
    """The admin of event types."""

    list_display = ("code", "name", "meter_total", "description")
    search_fields = ("code", "name")
    fields = ("code", "name", "description")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return event types with the number of their meters."""
        event_types: QuerySet[Any] = super().get_queryset(request).annotate(meters_fed=Count("meters"))
        return event_types

    @display(description="Meters", ordering="meters_fed")
    def meter_total(self, event_type: Any) -> int:
        """Return how many meters count events of this type."""
        return int(event_type.meters_fed)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        """Return the code of a stored event type: clients send it, so it must not change."""
        return ("code",) if obj else tuple(super().get_readonly_fields(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Refuse: the ledger names event types by their code."""
        return False

    def audit(
        self, request: HttpRequest, obj: Model, verb: str, *, before: Mapping[str, object], after: Mapping[str, object]
    ) -> None:
        """Write nothing: the services that this page calls write the entries."""

    def save_model(
        self,
        request: HttpRequest,
        obj: EventType,
        form: "forms.ModelForm[EventType]",  # noqa: ARG002 - Django's signature
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        """Save through the service, which writes the audit entry."""
        called = {"name": obj.name, "description": obj.description}
        actor, as_of = staff_actor(request), timezone.now()
        if change:
            update_event_type(event_type=obj, actor=actor, as_of=as_of, **called)
        else:
            made = create_event_type(code=obj.code, actor=actor, as_of=as_of, **called)
            obj.pk, obj._state.adding = made.pk, False  # noqa: SLF001 - Django documents it
