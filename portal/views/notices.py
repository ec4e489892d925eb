"""The page of notices: what the member was told, newest first, and what of it is unread."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from accounts.notices.models import MemberNotice
from accounts.notices.selectors.kinds import label_of
from accounts.notices.selectors.notices import notice_of_member, notices_of_member
from accounts.notices.services.reading import read_all_notices, read_notice
from portal.access import Portal, SignedInRequest, tenant_page

ROWS_ON_A_PAGE: Final = 25
UNREAD: Final = "unread"
OPEN: Final = "open"
WRITES: Final = ("GET", "HEAD", "POST")


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """A notice with the name of its kind, and the address that it links to."""

    row: MemberNotice
    kind: str
    url: str

    @classmethod
    def of(cls, row: MemberNotice, portal: Portal) -> "NoticeRow":
        """Return the row of a notice."""
        return cls(row, label_of(row.notice.kind), _url(portal, row.notice.page))


@tenant_page("notices", methods=WRITES)
def notices(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Render the member's notices, or mark all of them as read."""
    if request.method == "POST":
        return _read_all(request, portal)
    found = notices_of_member(tenant_id=portal.tenant.pk, user_id=portal.user_id)
    is_unread_only = request.GET.get("show") == UNREAD
    page = Paginator(found.filter(read_at=None) if is_unread_only else found, ROWS_ON_A_PAGE).get_page(
        request.GET.get("page")
    )
    rows = [NoticeRow.of(row, portal) for row in page.object_list]
    context = {"portal": portal, "page": page, "rows": rows, "is_unread_only": is_unread_only}
    return render(request, "portal/notices.html", context)


@tenant_page("notices", methods=WRITES)
def notice(request: SignedInRequest, portal: Portal, notice_id: UUID) -> HttpResponse:
    """Render one notice. A POST marks it as read, and leads to what it is about or back to the list."""
    if request.method == "POST":
        read = read_notice(
            tenant=portal.tenant, user_id=portal.user_id, notice_id=notice_id, actor=portal.actor, as_of=portal.as_of
        )
        if request.POST.get("then") == OPEN:
            return redirect(_url(portal, read.page))
        return redirect("portal:notices", portal.tenant.slug)
    row = notice_of_member(tenant_id=portal.tenant.pk, user_id=portal.user_id, notice_id=notice_id)
    return render(request, "portal/notice.html", {"portal": portal, "one": NoticeRow.of(row, portal)})


def _read_all(request: SignedInRequest, portal: Portal) -> HttpResponse:
    count = read_all_notices(tenant=portal.tenant, user_id=portal.user_id, actor=portal.actor, as_of=portal.as_of)
    messages.success(request, f"{count} notice{'' if count == 1 else 's'} marked as read.")
    return redirect("portal:notices", portal.tenant.slug)


def _url(portal: Portal, page: str) -> str:
    return reverse("portal:overview", args=[portal.tenant.slug]) + page
