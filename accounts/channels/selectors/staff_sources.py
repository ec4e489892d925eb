"""What happened lately that staff are told: each app's part, and that of accounts.

`settings.STAFF_NOTICE_SOURCES` names the functions. Each returns what happened since a time, from the newest rows of
its table alone, so that it costs little each minute.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Final

from django.conf import settings
from django.urls import reverse
from django.utils.module_loading import import_string

from accounts.channels.domain.staff_notices import NewStaffNotice, StaffNoticeKind
from accounts.models import Discrepancy, Tenant

NEWEST: Final = 500

StaffSource = Callable[[datetime], Iterable[NewStaffNotice]]


def staff_notices_since(since: datetime) -> Iterator[NewStaffNotice]:
    """Yield what happened since a time, of all apps."""
    for path in settings.STAFF_NOTICE_SOURCES:
        source: StaffSource = import_string(path)
        yield from source(since)


def new_customers(since: datetime) -> Iterator[NewStaffNotice]:
    """Yield the tenants that were opened."""
    for tenant in Tenant.objects.order_by("-pk")[:NEWEST]:
        if tenant.created_at >= since:
            yield NewStaffNotice(
                StaffNoticeKind.NEW_CUSTOMER,
                f"new_customer:{tenant.pk}",
                f"New customer: {tenant.name}",
                "",
                reverse("admin:accounts_tenant_change", args=[tenant.pk]),
                tenant.created_at,
            )


def new_differences(since: datetime) -> Iterator[NewStaffNotice]:
    """Yield the differences that checks of the books found."""
    for found in Discrepancy.objects.order_by("-pk")[:NEWEST]:
        if found.opened_at >= since:
            yield NewStaffNotice(
                StaffNoticeKind.DRIFT,
                f"drift:{found.pk}",
                f"Difference in the books: {found.subject}",
                found.detail,
                reverse("admin:accounts_discrepancy_change", args=[found.pk]),
                found.opened_at,
            )
