"""Whether a subscription is in good standing: past due while an invoice is overdue or its payment failed."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from accounts.domain.actor import Actor
from accounts.domain.job_report import JobReport
from accounts.models import JobRun
from accounts.services.jobs import run_job
from billing.domain.happenings import SubscriptionUpdated
from billing.domain.statuses import SUBSCRIPTION_TRANSITIONS, InvoiceStatus, SubscriptionStatus, statuses_before
from billing.models import Invoice, Issuer, Subscription
from billing.services.subscriptions.recording import described, update_subscription
from billing.services.subscriptions.standing_parts import standing_parts
from metering.domain.periods import local_day

OVERDUE_JOB: Final = "overdue"


def refresh_standing(*, subscription_id: UUID, as_of: datetime) -> None:
    """Set it past due while an invoice is overdue or its payment failed, active again once none is. Safe to repeat.

    Apps above follow in the same transaction: `settings.STANDING_PARTS`.
    """
    with transaction.atomic():
        current = Subscription.objects.select_for_update().get(pk=subscription_id)
        today = local_day(as_of, Issuer.objects.values_list("time_zone", flat=True).get(pk=1))
        owing = list(
            Invoice.objects.filter(
                Q(due_on__lt=today) | Q(payment_failed_at__isnull=False),
                subscription=current,
                status=InvoiceStatus.FINALIZED,
                hold=None,
            ).order_by("due_on", "number")
        )
        _set_status(current, SubscriptionStatus.PAST_DUE if owing else SubscriptionStatus.ACTIVE, as_of)
        for part in standing_parts():
            part.follow(subscription=current, owing=owing, as_of=as_of)


def _set_status(current: Subscription, status: SubscriptionStatus, as_of: datetime) -> None:
    if current.status == status or current.status not in statuses_before(SUBSCRIPTION_TRANSITIONS, status):
        return
    if status is SubscriptionStatus.ACTIVE and current.status != SubscriptionStatus.PAST_DUE:
        return
    update_subscription(
        current,
        {"status": status},
        SubscriptionUpdated,
        described(current),
        actor=Actor.system("payments"),
        as_of=as_of,
    )


def refresh_overdue(*, as_of: datetime) -> int:
    """Check every subscription that is past due or has an unpaid invoice, also after its end.

    Return how many were checked.
    """
    unpaid = Invoice.objects.unpaid().filter(due_on__lt=as_of.date() + timedelta(days=1))
    due = Q(status=SubscriptionStatus.PAST_DUE) | Q(pk__in=unpaid.values("subscription"))
    ids = list(Subscription.objects.filter(due).values_list("pk", flat=True))
    for subscription_id in ids:
        refresh_standing(subscription_id=subscription_id, as_of=as_of)
    return len(ids)


def run_overdue(*, started_by: str, as_of: datetime) -> JobRun:
    """Set subscriptions past due whose invoices are unpaid too long, and active again once none is."""

    def work() -> JobReport:
        return JobReport({"looked_at": refresh_overdue(as_of=as_of)})

    return run_job(name=OVERDUE_JOB, started_by=started_by, as_of=as_of, work=work)
