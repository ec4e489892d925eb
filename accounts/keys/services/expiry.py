"""Notice that a key expires: once for each key, some days before."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet, TextField, Value
from django.db.models.functions import Cast, Concat
from django.template.loader import render_to_string

from accounts.domain.job_report import JobReport
from accounts.keys.domain.expiry import KEY_EXPIRY
from accounts.models import ApiKey, JobRun, Tenant
from accounts.notices.models import Notice
from accounts.notices.selectors.recipients import recipients_by_tenant
from accounts.notices.services.mails import NewMail, queue_mails
from accounts.services.jobs import run_job

KEY_EXPIRIES_JOB: Final = "key_expiries"
KEYS_AT_ONCE: Final = 500
_NAME: Final = "key_expiry:"
_PATH: Final = "/t/{slug}/keys/{key_id}/"


@transaction.atomic
def announce_key_expiries(*, as_of: datetime, limit: int = KEYS_AT_ONCE) -> int:
    """Send notices of at most `limit` keys that expire soon and were not announced. Return how many were found.

    A key that has a successor, is revoked or quarantined, or lives no longer than the notice is not announced. Any
    number of workers may run at once: a notice's key is unique.
    """
    keys = list(_due(as_of).select_related("tenant").order_by("expires_at", "pk")[:limit])
    queue_mails(_mails(keys), as_of=as_of)
    return len(keys)


def run_key_expiries(*, started_by: str, as_of: datetime) -> JobRun:
    """Announce keys that expire as a recorded job."""

    def work() -> JobReport:
        return JobReport({"announced": announce_key_expiries(as_of=as_of)})

    return run_job(name=KEY_EXPIRIES_JOB, started_by=started_by, as_of=as_of, work=work)


def _due(as_of: datetime) -> QuerySet[ApiKey]:
    name = Concat(Value(_NAME), Cast(OuterRef("pk"), TextField()), output_field=TextField())
    lead = timedelta(days=settings.KEY_EXPIRY_NOTICE_DAYS)
    return ApiKey.objects.filter(
        ~Exists(Notice.objects.filter(dedupe_key=name)),
        tenant__status="active",
        revoked_at=None,
        quarantined_at=None,
        rotated_to=None,
        expires_at__gt=as_of,
        expires_at__lte=as_of + lead,
        created_at__lt=F("expires_at") - lead,
    )


def _mails(keys: Sequence[ApiKey]) -> Iterator[NewMail]:
    tenants: dict[object, Tenant] = {key.tenant_id: key.tenant for key in keys if key.tenant is not None}
    recipients = recipients_by_tenant(tenants=tenants.values(), kind=KEY_EXPIRY) if tenants else {}
    for key in keys:
        tenant = key.tenant
        assert tenant is not None, "service keys have no tenant, and are not found"
        assert key.expires_at is not None, "what is due expires"
        context = {
            "tenant": tenant,
            "key": key,
            "expires_at": key.expires_at.astimezone(ZoneInfo(tenant.time_zone)),
            "url": f"{settings.PUBLIC_URL}{_PATH.format(slug=tenant.slug, key_id=key.pk)}",
        }
        yield NewMail(
            tenant_id=tenant.pk,
            kind=KEY_EXPIRY.name,
            dedupe_key=f"{_NAME}{key.pk}",
            recipients=recipients[tenant.pk],
            subject=render_to_string("keys/email/key_expiry_subject.txt", context).strip(),
            text=render_to_string("keys/email/key_expiry.txt", context),
            html=render_to_string("keys/email/key_expiry.html", context),
            page=f"keys/{key.pk}/",
        )
