"""The admin of usage plans: throttles and quotas."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import TabularInline
from unfold.decorators import display

from accounts.admin.base import StaffModelAdmin, staff_actor
from accounts.admin.refusals import show_refusals
from accounts.domain.numbers import counted
from accounts.domain.plain import plain_decimal
from metering.domain.aggregations.registry import ADDITIVE_CODES
from metering.domain.limit_scopes import LimitScope
from metering.domain.periods import Period
from metering.domain.usage_plan_terms import (
    QuotaTerms,
    ThrottleTerms,
    UsagePlanTerms,
    check_terms,
    more_throttle_errors,
    quota_errors,
)
from metering.models import Meter, UsagePlan, UsagePlanQuota, UsagePlanThrottle
from metering.services.usage_plans import create_usage_plan, delete_usage_plan, update_usage_plan


class QuotaForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's own is not generic at run time
    """The form of a quota. It shows the limit without trailing zeros."""

    class Meta:
        model = UsagePlanQuota
        fields = ("meter", "period", "scope", "limit", "is_hard")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "limit" in self.initial:
            self.initial["limit"] = plain_decimal(self.initial["limit"])
        self.fields["meter"].queryset = Meter.objects.filter(aggregation__in=ADDITIVE_CODES)  # type: ignore[attr-defined]  # a field of models

    def clean(self) -> dict[str, Any]:
        """Check the terms by the domain's rules, if every field could be read."""
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            for refused in quota_errors((self.terms(),)):
                self.add_error(refused.pointer.rpartition("/")[2], refused.detail)
        return cleaned

    def terms(self) -> QuotaTerms:
        """Return the terms in the row."""
        row = self.cleaned_data
        return QuotaTerms(
            row["meter"].code,
            row["limit"],
            Period(row["period"]),
            is_hard=row["is_hard"],
            scope=LimitScope(row["scope"]),
        )


class UsagePlanForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's own is not generic at run time
    """The form of a usage plan. It shows what the service would refuse before it calls the service."""

    class Meta:
        model = UsagePlan
        fields = ("code", "name", "throttle_rate", "throttle_burst", "is_default", "allows_in_outage")

    def clean(self) -> dict[str, Any]:
        """Check the terms by the domain's rules, if every field could be read."""
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            own = ("name", "throttle_rate", "throttle_burst", "is_default", "allows_in_outage")
            self.own = {name: cleaned[name] for name in own}
            show_refusals(self, lambda: check_terms(self.terms()))
            del cleaned["is_default"]  # Django would refuse a second default; the service lets the newest take over
        return cleaned

    def terms(self, quotas: tuple[QuotaTerms, ...] = (), throttles: tuple[ThrottleTerms, ...] = ()) -> UsagePlanTerms:
        """Return the terms in the form, with the quotas and throttles of its rows."""
        return UsagePlanTerms(**self.own, quotas=quotas, throttles=throttles)


class QuotaInline(TabularInline):
    """A plan's quotas."""

    model = UsagePlanQuota
    form = QuotaForm
    extra = 0
    hide_title = True
    fields = ("meter", "period", "scope", "limit", "is_hard")


class ThrottleForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's own is not generic at run time
    """The form of a throttle of each subject, or of one type of events."""

    class Meta:
        model = UsagePlanThrottle
        fields = ("scope", "event_type", "rate", "burst")

    def clean(self) -> dict[str, Any]:
        """Check the terms by the domain's rules, if every field could be read."""
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            for refused in more_throttle_errors((self.terms(),)):
                field = refused.pointer.rpartition("/")[2]
                self.add_error(field if field in self.fields else None, refused.detail)
        return cleaned

    def terms(self) -> ThrottleTerms:
        """Return the terms in the row."""
        row = self.cleaned_data
        event_type = row["event_type"]
        code = None if event_type is None else event_type.code
        return ThrottleTerms(row["rate"], row["burst"], LimitScope(row["scope"]), code)


class ThrottleInline(TabularInline):
    """A plan's further throttles."""

    model = UsagePlanThrottle
    form = ThrottleForm
    extra = 0
    hide_title = True
    verbose_name_plural = "Throttles of subjects and event types"
    fields = ("scope", "event_type", "rate", "burst")


@admin.register(UsagePlan)
class UsagePlanAdmin(StaffModelAdmin):
    """The admin of usage plans. A change applies everywhere within a second."""

    form = UsagePlanForm
    list_display = ("shown_name", "throttle", "quota_list", "tenant_total", "is_default")
    search_fields = ("code", "name")
    fields = ("code", "name", "throttle_rate", "throttle_burst", "is_default", "allows_in_outage")
    inlines: ClassVar = [QuotaInline, ThrottleInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return plans with their quotas and number of tenants, in two queries for the whole list."""
        plans: QuerySet[Any] = super().get_queryset(request).annotate(tenants=Count("assignments"))
        return plans.prefetch_related("quotas__meter", "throttles__event_type")

    @display(description="Plan", header=True, ordering="name")
    def shown_name(self, plan: UsagePlan) -> list[str]:
        """Return the name and, below it, the code."""
        return [plan.name, plan.code]

    @display(description="Throttle")
    def throttle(self, plan: UsagePlan) -> str:
        """Return rate and burst."""
        own = [] if plan.throttle_rate is None else [f"{plan.throttle_rate}/s, burst {plan.throttle_burst}"]
        return "; ".join([*own, *map(str, plan.throttles.all())]) or "none"

    @display(description="Quotas")
    def quota_list(self, plan: UsagePlan) -> str:
        """Return all quotas in one line."""
        quotas = (f"{counted(quota.limit, quota.meter.unit)} {quota.terms_in_words}" for quota in plan.quotas.all())
        return "; ".join(quotas) or "none"

    @display(description="Tenants", ordering="tenants")
    def tenant_total(self, plan: Any) -> int:
        """Return how many tenants are on the plan."""
        return int(plan.tenants)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        """Return the code of a stored plan: other rows refer to it, so it must not change."""
        return ("code",) if obj else tuple(super().get_readonly_fields(request, obj))

    def save_model(self, request: HttpRequest, obj: UsagePlan, form: UsagePlanForm, change: bool) -> None:  # noqa: FBT001 - Django's signature
        """Leave it to `save_related`, which knows the quotas too."""

    def save_related(
        self,
        request: HttpRequest,
        form: Any,
        formsets: Iterable[Any],
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        """Save the plan with all its rows through the service, which writes the audit entry.

        Refused to staff who may not change some of them: the plan would lose those.
        """
        rows = {formset.model: _terms_in(formset) for formset in formsets}
        if rows.keys() != {UsagePlanQuota, UsagePlanThrottle}:
            raise PermissionDenied
        quotas, throttles = rows[UsagePlanQuota], rows[UsagePlanThrottle]
        terms = form.terms(quotas, throttles)
        plan, actor, as_of = form.instance, staff_actor(request), timezone.now()
        if change:
            update_usage_plan(usage_plan=plan, terms=terms, actor=actor, as_of=as_of)
        else:
            made = create_usage_plan(code=plan.code, terms=terms, actor=actor, as_of=as_of)
            plan.pk, plan._state.adding = made.pk, False  # noqa: SLF001 - Django documents it

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        """Delete through the service, which writes the audit entry."""
        assert isinstance(obj, UsagePlan), "the page is of usage plans"
        delete_usage_plan(usage_plan=obj, actor=staff_actor(request), as_of=timezone.now())


def _terms_in(formset: Any) -> tuple[Any, ...]:
    """Return the terms of the rows that stay."""
    formset.new_objects, formset.changed_objects, formset.deleted_objects = [], [], []  # Django's log names no rows
    kept = [row for row in formset.forms if row.has_changed() or row.instance.pk]
    return tuple(row.terms() for row in kept if not row.cleaned_data.get("DELETE"))
