"""Exports of tenants in the staff admin: who requested one, and how it ended. Staff cannot download them."""

from django.contrib import admin
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from accounts.admin.base import ReadOnlyModelAdmin
from accounts.exports.models import TenantExport

EXPORT_LABELS = {"Queued": "info", "Running": "info", "Ready": "success", "Failed": "danger", "Expired": "info"}


@admin.register(TenantExport)
class TenantExportAdmin(ReadOnlyModelAdmin):
    """Exports, the newest first."""

    list_display = ("requested_at", "tenant", "state", "requested_by", "finished_at", "expires_at")
    list_filter = (("status", ChoicesDropdownFilter),)
    list_filter_submit = True
    list_select_related = ("tenant", "requested_by")
    search_fields = ("tenant__slug", "requested_by__email")
    fields = (
        "tenant", "requested_by", "state", "files_total", "attempts", "requested_at", "claimed_at", "finished_at",
        "expires_at",
    )  # fmt: skip
    readonly_fields = ("state",)

    @display(description="Status", label=EXPORT_LABELS, ordering="status")
    def state(self, export: TenantExport) -> str:
        """Return the status of the export."""
        return str(export.get_status_display())
