"""Threshold alerts for staff: the list, and a check right now."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter, RelatedDropdownFilter
from unfold.decorators import action, display

from accounts.admin.base import Question, ReadOnlyInline, ReadOnlyModelAdmin, found_or_404, holds, staff_actor
from accounts.admin.tenant_sections import TenantSection, register_tenant_section
from accounts.domain.numbers import counted
from accounts.models import Tenant
from accounts.notices.selectors.preferences import is_turned_off, tenant_wants
from accounts.notices.services.preferences import set_tenant_mails
from metering.alerts.domain.alerts import USAGE_ALERT, grouped, percent_of, period_in_words
from metering.alerts.models import THRESHOLDS, ThresholdAlert
from metering.alerts.selectors.amounts import amount_text, use_text
from metering.alerts.services.monitoring import run_monitor
from metering.domain.periods import Period

THRESHOLD_LABELS = dict(zip((f"{threshold} %" for threshold in THRESHOLDS), ("info", "warning", "danger"), strict=True))
NOTHING = "-"


def shown_threshold(alert: ThresholdAlert) -> str:
    """Return the threshold as in "80 %" or "5,000"; a dash if the alert has none."""
    if alert.threshold is not None:
        return f"{alert.threshold} %"
    return NOTHING if alert.threshold_quantity is None else grouped(alert.threshold_quantity)


class ThresholdFilter(admin.SimpleListFilter):
    """A filter by the share that was crossed."""

    title = "threshold"
    parameter_name = "threshold"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        """Return each threshold with its label."""
        return [(str(threshold), f"{threshold} %") for threshold in THRESHOLDS]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:  # noqa: ARG002 - Django's signature
        """Return the alerts of the chosen threshold."""
        chosen = self.value()
        known = {str(threshold) for threshold in THRESHOLDS}
        return queryset.filter(threshold=int(chosen)) if chosen in known else queryset


@admin.register(ThresholdAlert)
class ThresholdAlertAdmin(ReadOnlyModelAdmin):
    """The admin of threshold alerts."""

    list_display = ("occurred_at", "tenant", "kind", "shown_threshold", "meter", "period", "shown_use", "by_mail")
    list_filter = (
        ("kind", ChoicesDropdownFilter),
        ThresholdFilter,
        ("quota_period", ChoicesDropdownFilter),
        ("meter", RelatedDropdownFilter),
        ("occurred_at", RangeDateTimeFilter),
    )
    list_filter_submit = True
    list_select_related = ("tenant", "meter")
    search_fields = ("tenant__slug", "tenant__name")
    fields = (
        "occurred_at",
        "tenant",
        "kind",
        "agreement_id",
        "meter",
        "quota_period",
        "period_start_on",
        "threshold",
        "threshold_quantity",
        "budget_id",
        "shown_use",
        "api_key_id",
        "window_start_at",
        "expected",
    )
    readonly_fields = ("shown_use",)
    actions_list: ClassVar = ["check_now"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ThresholdAlert]:
        """Return alerts with whether the customer receives mails of them now."""
        alerts: QuerySet[ThresholdAlert] = super().get_queryset(request)
        return alerts.annotate(is_turned_off=is_turned_off(USAGE_ALERT))

    @display(description="Threshold", label=THRESHOLD_LABELS, ordering="threshold")
    def shown_threshold(self, alert: ThresholdAlert) -> str:
        """Return the threshold that was crossed."""
        return shown_threshold(alert)

    @display(description="Period", ordering="period_start_on")
    def period(self, alert: ThresholdAlert) -> str:
        """Return the period of the quota, or the day of an anomaly."""
        if alert.period_start_on is None:
            return NOTHING
        return period_in_words(Period(alert.quota_period or Period.DAY), alert.period_start_on)

    @display(description="Used", header=True)
    def shown_use(self, alert: ThresholdAlert) -> list[str]:
        """Return the usage when the crossing was found, and its share of the limit."""
        if alert.limit is None:
            expected = NOTHING if alert.expected is None else amount_text(alert, alert.expected)
            return [use_text(alert, with_unit=True), f"{expected} expected"]
        return [use_text(alert, with_unit=True), f"{grouped(percent_of(alert.quantity, alert.limit))} %"]

    @display(description="By mail", boolean=True)
    def by_mail(self, alert: ThresholdAlert) -> bool:
        """Return whether the customer receives mails of alerts now."""
        return not alert.is_turned_off  # type: ignore[attr-defined] # annotated below

    def has_check_permission(self, request: HttpRequest) -> bool:
        """Return whether the member of staff may change tenants: a check may send mails to customers."""
        return bool(request.user.has_perm("accounts.change_tenant"))

    @action(description="Check thresholds now", permissions=["check"], icon="notifications_active")
    def check_now(self, request: HttpRequest) -> HttpResponse:
        """Confirm first, then raise the alerts that are due and show their number."""
        if request.method != "POST":
            return self.confirmation_page(
                request,
                ThresholdAlert(),
                forms.Form(),
                question=Question(
                    title="Check thresholds now?",
                    explanation="Compares usage with every quota, as the schedule does every minute. Tenants "
                    "that crossed 80, 95 or 100 percent and were not notified of it before get an alert and a mail.",
                    button="Check now",
                ),
                extra={"original": None},  # the question is about no single alert
            )
        actor = staff_actor(request)
        result = run_monitor(started_by=actor.label, actor=actor, as_of=timezone.now())
        messages.success(
            request, f"{counted(len(result.alerts), 'new alerts')} in {counted(result.tenants, 'tenants')} with quotas."
        )
        return redirect("admin:alerts_thresholdalert_changelist")


class WantedForm(forms.Form):
    """The choice that the page showed, so that two members of staff do not undo each other's."""

    wanted = forms.ChoiceField(choices=[("on", "on"), ("off", "off")], widget=forms.HiddenInput)


class AlertInline(ReadOnlyInline, TabularInline):
    """The tenant's alerts on its page."""

    model = ThresholdAlert
    tab = True
    hide_title = True
    per_page = 20
    fields = ("occurred_at", "kind", "meter", "crossed", "used", "quota_period", "period_start_on")
    readonly_fields = fields
    verbose_name_plural = "alerts"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return alerts with their meters."""
        return super().get_queryset(request).select_related("meter", "tenant")

    @display(description="Used")
    def used(self, alert: ThresholdAlert) -> str:
        """Return usage and limit."""
        return use_text(alert, with_unit=False)

    @display(description="Threshold")
    def crossed(self, alert: ThresholdAlert) -> str:
        """Return the threshold that was crossed."""
        return shown_threshold(alert)


@register_tenant_section
class AlertSection(TenantSection):
    """The part of a tenant's page about alerts."""

    place = 25
    buttons_below_more = ("set_usage_alerts",)
    inlines = (AlertInline,)

    has_set_usage_alerts_permission = holds("accounts.change_tenant")

    @action(description="Usage alerts by e-mail", permissions=["set_usage_alerts"], icon="notifications")
    def set_usage_alerts(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Confirm first, then turn the mails on or off for all of the tenant's members."""
        tenant = found_or_404(Tenant.objects.all(), object_id)
        form = WantedForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            set_tenant_mails(
                tenant=tenant,
                kind=USAGE_ALERT,
                is_wanted=form.cleaned_data["wanted"] == "on",
                actor=staff_actor(request),
                as_of=timezone.now(),
            )
            messages.success(request, f"Usage alerts by e-mail are {form.cleaned_data['wanted']} for {tenant}.")
            return redirect(self.page.page_of(tenant))
        verb = "off" if tenant_wants(tenant_id=tenant.pk, kind=USAGE_ALERT) else "on"
        return self.page.confirmation_page(
            request,
            tenant,
            WantedForm(initial={"wanted": verb}),
            question=Question(
                title=f"Turn usage alerts by e-mail {verb} for {tenant}?",
                explanation="Members who want usage alerts get a mail at 80, 95 and 100 percent of a quota. Alerts are"
                " listed and sent to webhooks in either case.",
                button=f"Turn {verb}",
            ),
        )
