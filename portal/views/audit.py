"""The audit log as a page and as CSV, for owners and admins."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import render

from accounts.domain.roles import Capability
from accounts.models import AuditEntry
from accounts.selectors.directory import audit_actions, audit_entries_matching
from metering.api.csv_renderer import csv_lines
from metering.domain.periods import is_in_reach, start_of_day
from portal.access import Portal, SignedInRequest, tenant_page
from portal.forms.audit import AuditFilterForm
from portal.forms.keys import chosen

ROWS_ON_A_PAGE: Final = 50
_ROWS_AT_ONCE: Final = 500
COLUMNS: Final = (
    "occurred_at", "actor_kind", "actor", "ip", "action", "target_kind", "target_id", "target", "before", "after",
    "request_id",
)  # fmt: skip
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Change:
    """The values of one field before and after, as text."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class AuditRow:
    """An entry with the changed fields."""

    entry: AuditEntry
    changes: list[Change]


@tenant_page("audit", Capability.READ_AUDIT)
def audit(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Render a page of entries, newest first."""
    form = _form(request, portal)
    page = Paginator(_found(form, portal), ROWS_ON_A_PAGE).get_page(request.GET.get("page"))
    rows = [AuditRow(entry, _changes(entry.before, entry.after)) for entry in page.object_list]
    question = {name: value for name, value in form.data.items() if name in form.fields and value}
    context = {"portal": portal, "form": form, "page": page, "rows": rows, "question": urlencode(question)}
    return render(request, "portal/audit.html", context)


@tenant_page("audit", Capability.READ_AUDIT)
def audit_csv(request: SignedInRequest, portal: Portal) -> StreamingHttpResponse:
    """Stream the entries that the filter finds, the newest first; times are UTC, values before and after are JSON."""
    entries = _found(_form(request, portal), portal).iterator(chunk_size=_ROWS_AT_ONCE)
    response = StreamingHttpResponse(_lines(entries), content_type="text/csv; charset=utf-8")
    name = f"{portal.tenant.slug}-audit-{portal.as_of:%Y-%m-%d}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "private, no-store"
    return response


def _lines(entries: Iterable[AuditEntry]) -> Iterator[bytes]:
    yield csv_lines([COLUMNS])
    for one in entries:
        who = [one.occurred_at, one.actor_kind, one.actor_label, one.ip or ""]
        what = [one.action, one.target_kind, one.target_id, one.target_label]
        values = [json.dumps(value, ensure_ascii=False, sort_keys=True) for value in (one.before, one.after)]
        yield csv_lines([[*who, *what, *values, one.request_id]])


def _form(request: SignedInRequest, portal: Portal) -> AuditFilterForm:
    return AuditFilterForm(request.GET, actions=audit_actions(tenant_id=portal.tenant.pk))


def _found(form: AuditFilterForm, portal: Portal) -> QuerySet[AuditEntry]:
    wanted = chosen(form)
    return audit_entries_matching(
        tenant_id=portal.tenant.pk,
        search=wanted.get("search", ""),
        action=wanted.get("action", ""),
        start=_midnight(wanted.get("start"), portal, timedelta()),
        end=_midnight(wanted.get("end"), portal, _DAY),
    )


def _midnight(day: date | None, portal: Portal, later: timedelta) -> datetime | None:
    return start_of_day(day + later, portal.tenant.time_zone) if day is not None and is_in_reach(day) else None


def _changes(before: Mapping[str, object], after: Mapping[str, object]) -> list[Change]:
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return [Change(name.replace("_", " "), _text(before.get(name)), _text(after.get(name))) for name in names]


def _text(value: object) -> str:
    if value is None or value in ("", [], {}):
        return ""
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return ", ".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
