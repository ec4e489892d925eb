"""Anomalies for staff: what was unusual, what was expected instead, and whether the customer called it fine."""

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter, RelatedDropdownFilter
from unfold.decorators import display

from accounts.admin.base import ReadOnlyModelAdmin
from accounts.models import ApiKey
from metering.alerts.admin.alerts import NOTHING
from metering.alerts.domain.alerts import AlertKind
from metering.alerts.models import AnomalyAlert
from metering.alerts.selectors.amounts import amount_text, use_text

PATTERN_LABELS = {"Spike": "danger", "Rise": "warning", "Drop": "warning", "Silence": "danger"}


@admin.register(AnomalyAlert)
class AnomalyAdmin(ReadOnlyModelAdmin):
    """The admin of anomalies."""

    list_display = ("occurred_at", "tenant", "shown_pattern", "meter", "key", "seen", "usual", "is_fine")
    list_filter = (
        ("pattern", ChoicesDropdownFilter),
        ("meter", RelatedDropdownFilter),
        ("occurred_at", RangeDateTimeFilter),
    )
    list_filter_submit = True
    list_select_related = ("tenant", "meter", "accepted")
    search_fields = ("tenant__slug", "tenant__name")
    fields = (
        "occurred_at", "tenant", "shown_pattern", "meter", "key", "window_start_at", "window_end_at", "seen", "usual",
        "is_fine",
    )  # fmt: skip
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[AnomalyAlert]:
        """Return anomalies with the name of the key, which they have no foreign key to."""
        names = ApiKey.objects.filter(pk=OuterRef("api_key_id")).values("name")
        rows: QuerySet[AnomalyAlert] = super().get_queryset(request).annotate(key_name=Subquery(names))
        return rows.filter(kind=AlertKind.ANOMALY)

    @display(description="Pattern", ordering="pattern", label=PATTERN_LABELS)
    def shown_pattern(self, alert: AnomalyAlert) -> str:
        """Return what is unusual."""
        return alert.get_pattern_display()

    @display(description="Key")
    def key(self, alert: AnomalyAlert) -> str:
        """Return the name of the key whose usage it is; a dash for all usage of the tenant."""
        return getattr(alert, "key_name", None) or NOTHING

    @display(description="Seen", ordering="quantity")
    def seen(self, alert: AnomalyAlert) -> str:
        """Return the usage that was found."""
        return use_text(alert, with_unit=True)

    @display(description="Expected", ordering="expected")
    def usual(self, alert: AnomalyAlert) -> str:
        """Return what was expected instead."""
        return NOTHING if alert.expected is None else amount_text(alert, alert.expected)

    @display(description="Fine", boolean=True)
    def is_fine(self, alert: AnomalyAlert) -> bool:
        """Return whether the customer said that it is fine."""
        return hasattr(alert, "accepted")
