"""The page of the audit log, for owners and admins."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render

from accounts.domain.roles import Capability
from accounts.models import AuditEntry
from accounts.selectors.directory import audit_actions, audit_entries_matching
from metering.domain.periods import is_in_reach, start_of_day
from portal.access import Portal, SignedInRequest, tenant_page
from portal.forms.audit import AuditFilterForm
from portal.forms.keys import chosen

ROWS_ON_A_PAGE: Final = 50
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
    form = AuditFilterForm(request.GET, actions=audit_actions(tenant_id=portal.tenant.pk))
    wanted = chosen(form)
    entries = audit_entries_matching(
        tenant_id=portal.tenant.pk,
        search=wanted.get("search", ""),
        action=wanted.get("action", ""),
        start=_midnight(wanted.get("start"), portal, timedelta()),
        end=_midnight(wanted.get("end"), portal, _DAY),
    )
    page = Paginator(entries, ROWS_ON_A_PAGE).get_page(request.GET.get("page"))
    rows = [AuditRow(entry, _changes(entry.before, entry.after)) for entry in page.object_list]
    return render(request, "portal/audit.html", {"portal": portal, "form": form, "page": page, "rows": rows})


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
