"""Event types, meters and usage plans. A meter's rule is fixed from the moment at which it begins to count."""

from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Count, Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import TabularInline
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from accounts.admin.base import StaffModelAdmin
from accounts.domain.plain import plain_decimal
from metering.domain.aggregations.registry import aggregation_named
from metering.models import EventType, Meter, UsagePlan, UsagePlanQuota
from metering.selectors.catalog import forget_catalog
from metering.selectors.limits import expire_limits

# Longer than any process remembers the catalogue, so that all begin to count at the same event.
COUNTS_AFTER = timedelta(seconds=10)
RULE_FIELDS = ("code", "event_type", "aggregation", "value_property", "dimensions", "filters", "counts_from")
DIMENSIONS_MAX = 10


class MeterForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's own is not generic at run time
    """Refuses rules that could never count, before they are fixed."""

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
            ].help_text = "Empty: in ten seconds. Until then the rule can be changed, afterwards never."

    def clean_dimensions(self) -> list[str]:
        """Few and different: each combination of their values is a row a day."""
        names: list[str] = [name.strip() for name in self.cleaned_data["dimensions"] or []]
        if len(names) > DIMENSIONS_MAX or len(set(names)) != len(names) or not all(names):
            raise forms.ValidationError(f"At most {DIMENSIONS_MAX} different property names.")
        return names

    def clean_filters(self) -> dict[str, list[str]]:
        """Property → list of texts."""
        filters = self.cleaned_data["filters"] or {}
        is_whole = isinstance(filters, dict) and all(
            isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts)
            for texts in filters.values()
        )
        if not is_whole:
            raise forms.ValidationError('An object of lists of texts, e.g. {"status": ["200", "201"]}.')
        return filters

    def clean(self) -> dict[str, Any]:
        """A count has no value property; counting begins after every process knows the rule."""
        cleaned = super().clean() or self.cleaned_data
        code = cleaned.get("aggregation")
        if code and cleaned.get("value_property") and not aggregation_named(code).takes_property:
            self.add_error("value_property", f"{aggregation_named(code).name} measures no property.")
        if "counts_from" in self.fields and "counts_from" not in self.errors:
            earliest = timezone.now() + COUNTS_AFTER
            cleaned["counts_from"] = max(cleaned.get("counts_from") or earliest, earliest)
        return cleaned


@admin.register(Meter)
class MeterAdmin(StaffModelAdmin):
    """What is measured."""

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
        """Name above code."""
        return [meter.name, meter.code]

    @display(description="Rule")
    def rule(self, meter: Meter) -> str:
        """The rule in words."""
        aggregation = aggregation_named(meter.aggregation)
        return (
            f"{aggregation.name}: {meter.value_property or 'quantity'}"
            if aggregation.takes_property
            else aggregation.name
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        """Once a meter counts, only what it is called may change."""
        has_begun = isinstance(obj, Meter) and obj.counts_from <= timezone.now()
        return RULE_FIELDS if has_begun else tuple(super().get_readonly_fields(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """What has counted stays."""
        if isinstance(obj, Meter) and obj.counts_from <= timezone.now():
            return False
        return obj is not None and bool(super().has_delete_permission(request, obj))

    def save_model(self, request: HttpRequest, obj: Meter, form: "forms.ModelForm[Meter]", change: bool) -> None:  # noqa: FBT001 - Django's signature
        """Note when it was made."""
        if not change:
            obj.created_at = timezone.now()
        super().save_model(request, obj, form, change)
        forget_catalog()


@admin.register(EventType)
class EventTypeAdmin(StaffModelAdmin):
    """What clients may send."""

    list_display = ("code", "name", "meter_total", "description")
    search_fields = ("code", "name")
    fields = ("code", "name", "description")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With the number of meters."""
        event_types: QuerySet[Any] = super().get_queryset(request).annotate(meters_fed=Count("meters"))
        return event_types

    @display(description="Meters", ordering="meters_fed")
    def meter_total(self, event_type: Any) -> int:
        """How many meters it feeds."""
        return int(event_type.meters_fed)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        """Clients send the code."""
        return ("code",) if obj else tuple(super().get_readonly_fields(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """The ledger names event types by code."""
        return False

    def save_model(
        self,
        request: HttpRequest,
        obj: EventType,
        form: "forms.ModelForm[EventType]",
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        """Note when it was made."""
        if not change:
            obj.created_at = timezone.now()
        super().save_model(request, obj, form, change)
        forget_catalog()


class QuotaForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's own is not generic at run time
    """Shows a limit without zeros that say nothing."""

    class Meta:
        model = UsagePlanQuota
        fields = ("meter", "period", "limit", "is_hard")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "limit" in self.initial:
            self.initial["limit"] = plain_decimal(self.initial["limit"])


class QuotaInline(TabularInline):
    """A plan's quotas."""

    model = UsagePlanQuota
    form = QuotaForm
    extra = 0
    hide_title = True
    fields = ("meter", "period", "limit", "is_hard")


@admin.register(UsagePlan)
class UsagePlanAdmin(StaffModelAdmin):
    """What tenants may use. A change is in force everywhere within a second."""

    list_display = ("shown_name", "throttle", "quota_list", "tenant_total", "is_default")
    search_fields = ("code", "name")
    fields = ("code", "name", "throttle_rate", "throttle_burst", "is_default")
    inlines: ClassVar = [QuotaInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With quotas and the number of tenants, in two queries for the whole list."""
        plans: QuerySet[Any] = super().get_queryset(request).annotate(tenants=Count("assignments"))
        return plans.prefetch_related("quotas__meter")

    @display(description="Plan", header=True, ordering="name")
    def shown_name(self, plan: UsagePlan) -> list[str]:
        """Name above code."""
        return [plan.name, plan.code]

    @display(description="Throttle")
    def throttle(self, plan: UsagePlan) -> str:
        """Rate and burst."""
        return "none" if plan.throttle_rate is None else f"{plan.throttle_rate}/s, burst {plan.throttle_burst}"

    @display(description="Quotas")
    def quota_list(self, plan: UsagePlan) -> str:
        """All of them in a line."""
        quotas = (
            f"{plain_decimal(quota.limit)} {quota.meter.code} a {quota.period} ({'hard' if quota.is_hard else 'soft'})"
            for quota in plan.quotas.all()
        )
        return "; ".join(quotas) or "none"

    @display(description="Tenants", ordering="tenants")
    def tenant_total(self, plan: Any) -> int:
        """How many tenants are on it."""
        return int(plan.tenants)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        """The code is how others refer to a plan."""
        return ("code",) if obj else tuple(super().get_readonly_fields(request, obj))

    def save_model(
        self,
        request: HttpRequest,
        obj: UsagePlan,
        form: "forms.ModelForm[UsagePlan]",
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        """Note when it was made."""
        if not change:
            obj.created_at = timezone.now()
        super().save_model(request, obj, form, change)
        expire_limits()
