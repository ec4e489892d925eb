"""The staff admin's site: unfold's, with which every ModelAdmin registers, and the page *Health of the books*."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, path
from unfold.sites import UnfoldAdminSite

from config.staff.books import books_page


class StaffAdminSite(UnfoldAdminSite):
    """The site of the staff admin."""

    site_title = "Countinghouse"
    site_header = "Countinghouse"
    index_title = "Dashboard"

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Add whether sign-in needs no second factor here, which every page then says."""
        context: dict[str, Any] = super().each_context(request)
        return context | {"is_second_factor_waived": not settings.STAFF_SECOND_FACTOR}

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Add the pages without a table of their own."""
        return [path("books/", self.admin_view(self.books), name="books"), *super().get_urls()]

    def books(self, request: HttpRequest) -> HttpResponse:
        """Render the page *Health of the books*."""
        return books_page(request, self)
