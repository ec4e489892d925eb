"""The staff admin's site: unfold's, which every ModelAdmin registers with, and the page of the books' health."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, path
from unfold.sites import UnfoldAdminSite

from config.staff.books import books_page


class StaffAdminSite(UnfoldAdminSite):
    """Where staff run the business."""

    site_title = "Countinghouse"
    site_header = "Countinghouse"
    index_title = "Dashboard"

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Add whether one step of sign-in is enough here, which every page then says."""
        context: dict[str, Any] = super().each_context(request)
        return context | {"is_second_factor_waived": not settings.STAFF_SECOND_FACTOR}

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Add the pages that belong to no table."""
        return [path("books/", self.admin_view(self.books), name="books"), *super().get_urls()]

    def books(self, request: HttpRequest) -> HttpResponse:
        """Show the health of the books."""
        return books_page(request, self)
