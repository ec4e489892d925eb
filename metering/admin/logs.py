"""The admin of access logs that are followed: how far each file was read, and what was refused."""

from typing import Any, ClassVar, Final

from django.contrib import admin
from django.db.models import Count, Max, QuerySet, Sum
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from accounts.admin.base import ReadOnlyModelAdmin
from accounts.domain.numbers import counted, number_text
from metering.models import LogFile, LogSource

FILES_SHOWN: Final = 20


@admin.register(LogSource)
class LogSourceAdmin(ReadOnlyModelAdmin):
    """The admin of sources."""

    list_display = ("location", "tenant", "half", "file_total", "line_total", "refused_total", "latest", "read_at")
    list_filter = ("is_live",)
    search_fields = ("location", "tenant__slug")
    fields = (
        "location", "tenant", "half", "started_at", "file_names", "line_total", "refused_total", "latest", "read_at",
    )  # fmt: skip
    readonly_fields = ("half", "file_names", "line_total", "refused_total", "latest")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return sources with the totals of their files, in one query for the whole list."""
        rows: QuerySet[Any] = super().get_queryset(request).select_related("tenant")
        with_totals: QuerySet[Any] = rows.annotate(
            file_count=Count("files"),
            line_count=Sum("files__lines", default=0),
            refused_count=Sum("files__refused", default=0),
            latest_at=Max("files__last_line_at"),
        )
        return with_totals

    @display(description="Half", ordering="is_live")
    def half(self, source: LogSource) -> str:
        """Return the half of the ledger that the requests are added to."""
        return "live" if source.is_live else "test"

    @display(description="Files", ordering="file_count")
    def file_total(self, source: Any) -> int:
        """Return how many files were found."""
        total: int = source.file_count
        return total

    @display(description="Files")
    def file_names(self, source: LogSource) -> SafeString | str:
        """Return links to the pages of the latest files."""
        files = source.files.order_by("-read_at", "-pk").values_list("pk", "name")[:FILES_SHOWN]
        links = ((reverse("admin:metering_logfile_change", args=[pk]), name) for pk, name in files)
        return format_html_join("", '<div><a href="{}">{}</a></div>', links) or "none"

    @display(description="Lines", ordering="line_count")
    def line_total(self, source: Any) -> str:
        """Return how many lines were read."""
        return number_text(source.line_count)

    @display(description="Refused", ordering="refused_count")
    def refused_total(self, source: Any) -> str:
        """Return how many lines were refused."""
        return number_text(source.refused_count)

    @display(description="Last request", ordering="latest_at")
    def latest(self, source: Any) -> Any:
        """Return the time of the latest request."""
        return source.latest_at


@admin.register(LogFile)
class LogFileAdmin(ReadOnlyModelAdmin):
    """The admin of the files of all sources."""

    list_display = ("name", "source", "position", "shown_lines", "shown_refused", "last_line_at", "read_at")
    list_filter = ("is_whole",)
    search_fields = ("name", "source__location", "source__tenant__slug")
    fields: ClassVar = (
        *("name", "source", "format", "position", "shown_lines", "accepted", "shown_refused", "reasons", "stopped"),
        *("last_line_at", "read_at", "identity", "generation"),
    )
    readonly_fields = ("position", "shown_lines", "shown_refused", "reasons")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return files with their sources."""
        rows: QuerySet[Any] = super().get_queryset(request).select_related("source")
        return rows

    @display(description="Position")
    def position(self, file: LogFile) -> str:
        """Return how far the file was read."""
        return "read as a whole" if file.is_whole else counted(file.offset_bytes, "bytes")

    @display(description="Lines", ordering="lines")
    def shown_lines(self, file: LogFile) -> str:
        """Return how many lines were read."""
        return number_text(file.lines)

    @display(description="Refused", ordering="refused")
    def shown_refused(self, file: LogFile) -> str:
        """Return how many lines were refused."""
        return number_text(file.refused)

    @display(description="Refused lines")
    def reasons(self, file: LogFile) -> SafeString | str:
        """Return the first refused lines with their reasons."""
        return format_html_join("", "<div>line {}: {}</div>", file.refused_lines) or "none"
