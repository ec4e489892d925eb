"""The alerts page: usage against quotas with the thresholds, the alerts, and the choice of mails."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Final

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render

from accounts.models import Membership
from accounts.notices.selectors.preferences import may_want, tenant_wants, wishes_of
from accounts.notices.services.preferences import set_member_mails, set_tenant_mails
from accounts.selectors.directory import membership_of
from billing.domain.mails import INVOICE, TRIAL_END
from metering.alerts.domain.alerts import USAGE_ALERT, percent_of, period_in_words
from metering.alerts.models import THRESHOLDS, ThresholdAlert
from metering.alerts.selectors.alerts import alerts_of_tenant
from metering.domain.periods import Period, YearMonth, local_day
from metering.selectors.operations import QuotaUse, quota_uses
from portal.access import Portal, SignedInRequest, tenant_page
from portal.forms.alerts import MemberMailsForm, OrganisationAlertsForm

ROWS_ON_A_PAGE: Final = 20
MEMBER_MAILS: Final = (USAGE_ALERT, INVOICE, TRIAL_END)
ORGANISATION, MINE = "organisation", "mine"
_WHOLE: Final = Decimal(100)
_PLACES: Final = Decimal("0.1")
_KINDS: Final = dict(zip(THRESHOLDS, ("info", "warn", "danger"), strict=True))


@dataclass(frozen=True, slots=True)
class QuotaBar:
    """A quota as a bar. Beyond the quota the scale grows with the usage, and the marks move to the left."""

    use: QuotaUse
    filled: Decimal
    marks: tuple[Decimal, ...]
    level: str

    @classmethod
    def of(cls, use: QuotaUse) -> "QuotaBar":
        """Return the bar of a quota; positions are percentages of its length."""
        scale = max(use.percent, _WHOLE)
        reached = [threshold for threshold in THRESHOLDS if use.used * 100 >= use.limit * threshold]
        return cls(
            use=use,
            filled=_share(use.percent, scale),
            marks=tuple(_share(Decimal(threshold), scale) for threshold in THRESHOLDS) if use.limit else (),
            level="danger" if THRESHOLDS[-1] in reached else "warn" if reached else "",
        )

    @property
    def is_refused(self) -> bool:
        """Return whether requests are refused now: a hard quota is used up."""
        return self.use.is_hard and self.use.used >= self.use.limit

    @property
    def span_name(self) -> str:
        """Return the name of the quota's current period."""
        return "today" if self.use.period == Period.DAY else "this month"


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An alert as the table shows it."""

    alert: ThresholdAlert
    kind: str
    period: str
    percent: Decimal

    @classmethod
    def of(cls, alert: ThresholdAlert) -> "AlertRow":
        """Return the row of an alert."""
        return cls(
            alert=alert,
            kind=_KINDS[alert.threshold],
            period=period_in_words(Period(alert.quota_period), alert.period_start_on),
            percent=percent_of(alert.quantity, alert.limit).quantize(_PLACES, ROUND_FLOOR),
        )


@tenant_page("alerts", methods=("GET", "HEAD", "POST"))
def alerts(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Render the page, or save one of its two forms."""
    membership = membership_of(tenant_id=portal.tenant.pk, user_id=request.user.pk)
    if request.method == "POST":
        _save(request, portal, membership)
        return redirect("portal:alerts", portal.tenant.slug)
    page = Paginator(alerts_of_tenant(tenant_id=portal.tenant.pk), ROWS_ON_A_PAGE).get_page(request.GET.get("page"))
    is_mailed = tenant_wants(tenant_id=portal.tenant.pk, kind=USAGE_ALERT)
    context = {
        "portal": portal,
        "bars": _bars(portal),
        "next_first_day": YearMonth.of(local_day(portal.as_of, portal.tenant.time_zone)).plus(1).first_day(),
        "page": page,
        "rows": [AlertRow.of(alert) for alert in page.object_list],
        "is_mailed": is_mailed,
        "organisation_form": OrganisationAlertsForm(
            initial={USAGE_ALERT.wish: is_mailed}, auto_id=f"id_{ORGANISATION}_%s"
        ),
        "member_form": _member_form(membership),
    }
    return render(request, "portal/alerts.html", context)


def _save(request: SignedInRequest, portal: Portal, membership: Membership) -> None:
    """Save the submitted form; boxes that are not ticked are missing from it."""
    organisation = OrganisationAlertsForm(request.POST)
    mine = MemberMailsForm(request.POST, may_see_money=may_want(membership=membership, kind=INVOICE))
    sent = request.POST.get("form")
    if sent == ORGANISATION and organisation.is_valid():
        is_mailed: bool = organisation.cleaned_data[USAGE_ALERT.wish]
        set_tenant_mails(
            tenant=portal.tenant, kind=USAGE_ALERT, is_wanted=is_mailed, actor=portal.actor, as_of=portal.as_of
        )
        messages.success(request, "Usage alerts are sent by e-mail." if is_mailed else "No usage alerts by e-mail.")
    elif sent == MINE and mine.is_valid():
        wishes = {kind: mine.cleaned_data[kind.wish] for kind in MEMBER_MAILS if kind.wish in mine.cleaned_data}
        set_member_mails(membership=membership, wishes=wishes, actor=portal.actor, as_of=portal.as_of)
        messages.success(request, "Your choice of e-mails is saved.")


def _member_form(membership: Membership) -> MemberMailsForm:
    return MemberMailsForm(
        may_see_money=may_want(membership=membership, kind=INVOICE),
        initial={kind.wish: wish for kind, wish in wishes_of(membership=membership, kinds=MEMBER_MAILS).items()},
        auto_id=f"id_{MINE}_%s",
    )


def _bars(portal: Portal) -> Sequence[QuotaBar]:
    tenant_id = portal.tenant.pk
    return [QuotaBar.of(use) for use in quota_uses(as_of=portal.as_of, tenant_ids=[tenant_id]).get(tenant_id, [])]


def _share(part: Decimal, whole: Decimal) -> Decimal:
    return (part * _WHOLE / whole).quantize(_PLACES, ROUND_FLOOR)
