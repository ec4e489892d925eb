"""Notice that a trial ends: one mail for each trial, some days before the first fee is charged."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet, TextField, Value
from django.db.models.functions import Cast, Concat
from django.template.loader import render_to_string

from accounts.domain.job_report import JobReport
from accounts.models import JobRun
from accounts.notices.models import OutboundMail
from accounts.notices.selectors.recipients import recipients_of
from accounts.notices.services.mails import NewMail, queue_mails
from accounts.services.jobs import run_job
from billing.domain.mails import TRIAL_END
from billing.domain.money import price_tag_text
from billing.domain.plan_terms import fee_amount
from billing.domain.statuses import SubscriptionStatus
from billing.models import BillingProfile, Issuer, Subscription
from billing.rendering.services import wording
from billing.selectors.catalog.plans import sold_version
from metering.domain.periods import local_day

TRIALS_JOB: Final = "trials"
_KEY: Final = "trial_end:"


def announce_trial_ends(*, as_of: datetime) -> int:
    """Queue a mail for each trial that ends soon and was not announced yet. Return how many were queued.

    A trial that the customer has cancelled is not announced. Any number of workers may run at once.
    """
    ids = list(_due(as_of).order_by("anchor_at", "pk").values_list("pk", flat=True))
    return sum(_announce(subscription_id, as_of) for subscription_id in ids)


def run_trials(*, started_by: str, as_of: datetime) -> JobRun:
    """Announce ends of trials as a recorded job."""

    def work() -> JobReport:
        return JobReport({"announced": announce_trial_ends(as_of=as_of)})

    return run_job(name=TRIALS_JOB, started_by=started_by, as_of=as_of, work=work)


def _due(as_of: datetime) -> QuerySet[Subscription]:
    announced = OutboundMail.objects.filter(
        dedupe_key=Concat(Value(_KEY), Cast(OuterRef("pk"), TextField()), output_field=TextField())
    )
    return Subscription.objects.filter(
        ~Exists(announced),
        status=SubscriptionStatus.TRIALING,
        is_cancelled_at_period_end=False,
        anchor_at__gt=as_of,
        anchor_at__lte=as_of + timedelta(days=settings.TRIAL_NOTICE_DAYS),
    )


@transaction.atomic
def _announce(subscription_id: UUID, as_of: datetime) -> bool:
    """Queue the mail of a trial, unless it was cancelled or another worker announced it or is doing so."""
    locked = _due(as_of).select_for_update(skip_locked=True, of=("self",)).filter(pk=subscription_id)
    subscription = locked.select_related("tenant").first()
    if subscription is None:
        return False
    mail = _mail(subscription)
    queue_mails([mail], as_of=as_of)
    return bool(mail.recipients)


def _mail(subscription: Subscription) -> NewMail:
    tenant = subscription.tenant
    sold = sold_version(subscription.pending_plan_version_id or subscription.plan_version_id)
    fee = sold.fee(subscription.currency)
    assert fee is not None, "a plan is sold in the currency of its subscriptions"
    profile = BillingProfile.objects.filter(pk=tenant.pk).first()
    context = {
        "tenant": tenant,
        "issuer": Issuer.objects.values_list("legal_name", flat=True).get(pk=1),
        "plan": sold.plan_name,
        "day": wording.day(local_day(subscription.anchor_at, subscription.time_zone).isoformat()),
        "fee": price_tag_text(fee_amount(fee), subscription.currency),
        "is_by_usage": bool(sold.usage_prices(subscription.currency)),
        "card": "" if profile is None else profile.card_label,
        "url": f"{settings.PUBLIC_URL}/t/{tenant.slug}/plan/",
    }
    return NewMail(
        tenant_id=tenant.pk,
        kind=TRIAL_END.name,
        dedupe_key=f"{_KEY}{subscription.pk}",
        recipients=recipients_of(tenant=tenant, kind=TRIAL_END),
        subject=render_to_string("billing/email/trial_end_subject.txt", context),
        text=render_to_string("billing/email/trial_end.txt", context),
        html=render_to_string("billing/email/trial_end.html", context),
    )
