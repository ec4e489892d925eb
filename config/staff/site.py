"""The staff admin's site: unfold's, which every ModelAdmin registers with."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from unfold.sites import UnfoldAdminSite


class StaffAdminSite(UnfoldAdminSite):
    """Where staff run the business."""

    site_title = "Countinghouse"
    site_header = "Countinghouse"
    index_title = "Dashboard"

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Add whether one step of sign-in is enough here, which every page then says."""
        context: dict[str, Any] = super().each_context(request)
        return context | {"is_second_factor_waived": not settings.STAFF_SECOND_FACTOR}
