"""Thresholds that customers set themselves, for staff: a list that changes nothing."""

from django.contrib import admin
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from accounts.admin.base import ReadOnlyModelAdmin
from accounts.domain.numbers import number_text, unit_name
from metering.alerts.models import OwnThreshold


@admin.register(OwnThreshold)
class OwnThresholdAdmin(ReadOnlyModelAdmin):
    """The admin of own thresholds."""

    list_display = ("tenant", "meter", "quota_period", "shown_threshold", "created_at")
    list_filter = (("meter", RelatedDropdownFilter), ("quota_period", ChoicesDropdownFilter))
    list_filter_submit = True
    list_select_related = ("tenant", "meter")
    search_fields = ("tenant__slug", "tenant__name")
    fields = ("id", "tenant", "meter", "quota_period", "shown_threshold", "created_at")
    readonly_fields = fields

    @display(description="Alert at")
    def shown_threshold(self, own: OwnThreshold) -> str:
        """Return the percentage, or the quantity with its unit."""
        if own.threshold_quantity is None:
            return f"{own.threshold} %"
        return f"{number_text(own.threshold_quantity)} {unit_name(own.meter.unit, own.threshold_quantity)}"
