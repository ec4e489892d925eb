"""The alerts page: usage against quotas with the thresholds, the alerts, and the choice of mails."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_FLOOR, Decimal
from typing import Final

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render

from accounts.keys.domain.expiry import KEY_EXPIRY
from accounts.keys.domain.leaks import KEY_LEAK
from accounts.models import Membership
from accounts.notices.selectors.preferences import may_want, tenant_wants, wishes_of
from accounts.notices.services.preferences import set_member_mails, set_tenant_mails
from accounts.selectors.directory import membership_of
from accounts.webhooks.domain.mails import ENDPOINT_DISABLED
from billing.domain.mails import INVOICE, TRIAL_END
from metering.alerts.domain.alerts import (
    UNUSUAL_USAGE,
    USAGE_ALERT,
    AlertKind,
    grouped,
    percent_of,
    period_in_words,
)
from metering.alerts.domain.crossings import crossing_in_words
from metering.alerts.models import THRESHOLDS, ThresholdAlert
from metering.alerts.selectors.alerts import alerts_of_tenant, crossing_of_alert
from metering.alerts.selectors.amounts import amount_text, measure_name, use_text
from metering.domain.periods import Period, days_of, local_day
from metering.selectors.operations import QuotaUse, quota_uses
from portal.access import Portal, SignedInRequest, tenant_page
from portal.forms.alerts import MemberMailsForm, OrganisationAlertsForm, OwnThresholdForm
from portal.own_thresholds import (
    DELETE,
    NEW,
    own_threshold_form,
    own_threshold_rows,
    remove_own_threshold,
    save_own_threshold,
)

ROWS_ON_A_PAGE: Final = 20
MEMBER_MAILS: Final = (USAGE_ALERT, UNUSUAL_USAGE, KEY_LEAK, KEY_EXPIRY, ENDPOINT_DISABLED, INVOICE, TRIAL_END)
ORGANISATION, MINE = "organisation", "mine"
_WHOLE: Final = Decimal(100)
_PLACES: Final = Decimal("0.1")
_LEVELS: Final = dict(zip(THRESHOLDS, ("info", "warn", "danger"), strict=True))


@dataclass(frozen=True, slots=True)
class QuotaBar:
    """A quota as a bar. Beyond the quota the scale grows with the usage, and the marks move to the left."""

    use: QuotaUse
    filled: Decimal
    marks: tuple[Decimal, ...]
    level: str
    today: date
    anchor_on: date | None

    @classmethod
    def of(cls, use: QuotaUse, *, today: date, anchor_on: date | None) -> "QuotaBar":
        """Return the bar of a quota; positions are percentages of its length."""
        scale = max(use.percent, _WHOLE)
        reached = [threshold for threshold in THRESHOLDS if use.used * 100 >= use.limit * threshold]
        return cls(
            use=use,
            filled=_share(use.percent, scale),
            marks=tuple(_share(Decimal(threshold), scale) for threshold in THRESHOLDS) if use.limit else (),
            level="danger" if THRESHOLDS[-1] in reached else "warn" if reached else "",
            today=today,
            anchor_on=anchor_on,
        )

    @property
    def is_refused(self) -> bool:
        """Return whether requests are refused now: a hard quota is used up."""
        return self.use.is_hard and self.use.used >= self.use.limit

    @property
    def next_first_day(self) -> date:
        """Return the first day of the quota's next period."""
        return days_of(self.use.period, self.today, self.anchor_on)[1]

    @property
    def span_name(self) -> str:
        """Return the name of the quota's current period."""
        return self.use.period.words_of_current


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An alert as the table shows it."""

    alert: ThresholdAlert
    level: str
    found: str
    period: str
    measure: str
    used: str
    expected: str
    crossing: str
    percent: Decimal | None

    @classmethod
    def of(cls, alert: ThresholdAlert) -> "AlertRow":
        """Return the row of an alert."""
        percent = None if alert.limit is None else percent_of(alert.quantity, alert.limit)
        return cls(
            alert=alert,
            level=_level_of(alert),
            found=_found_by(alert),
            period=_period_of(alert),
            measure=measure_name(alert),
            used=use_text(alert, with_unit=False),
            expected=amount_text(alert, alert.expected) if alert.limit is None and alert.expected is not None else "",
            crossing=_crossing_of(alert),
            percent=None if percent is None else percent.quantize(_PLACES, ROUND_FLOOR),
        )


def _level_of(alert: ThresholdAlert) -> str:
    if alert.threshold is None:
        return "warn" if alert.kind == AlertKind.ANOMALY else "info"
    reached = [level for threshold, level in _LEVELS.items() if alert.threshold >= threshold]
    return reached[-1] if reached else "info"


def _found_by(alert: ThresholdAlert) -> str:
    """Return what was found: the threshold that was crossed, or the kind of alert."""
    if alert.threshold is not None:
        return f"{alert.threshold} %"
    return alert.get_kind_display() if alert.threshold_quantity is None else grouped(alert.threshold_quantity)


def _crossing_of(alert: ThresholdAlert) -> str:
    crossing = crossing_of_alert(alert)
    return "" if crossing is None else f"100 % {crossing_in_words(crossing)}"


def _period_of(alert: ThresholdAlert) -> str:
    if alert.period_start_on is None:
        return ""
    return period_in_words(Period(alert.quota_period or Period.DAY), alert.period_start_on)


@tenant_page("alerts", methods=("GET", "HEAD", "POST"))
def alerts(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Render the page, or save one of its two forms."""
    membership = membership_of(tenant_id=portal.tenant.pk, user_id=request.user.pk)
    threshold_form = own_threshold_form(portal, request)
    if request.method == "POST" and _save(request, portal, membership, threshold_form):
        return redirect("portal:alerts", portal.tenant.slug)
    page = Paginator(alerts_of_tenant(tenant_id=portal.tenant.pk), ROWS_ON_A_PAGE).get_page(request.GET.get("page"))
    is_mailed = tenant_wants(tenant_id=portal.tenant.pk, kind=USAGE_ALERT)
    context = {
        "portal": portal,
        "bars": _bars(portal),
        "page": page,
        "rows": [AlertRow.of(alert) for alert in page.object_list],
        "is_mailed": is_mailed,
        "organisation_form": OrganisationAlertsForm(
            initial={USAGE_ALERT.wish: is_mailed}, auto_id=f"id_{ORGANISATION}_%s"
        ),
        "member_form": _member_form(membership),
        "threshold_form": threshold_form,
        "thresholds": own_threshold_rows(portal),
    }
    return render(request, "portal/alerts.html", context, status=422 if threshold_form.errors else 200)


def _save(request: SignedInRequest, portal: Portal, membership: Membership, threshold_form: OwnThresholdForm) -> bool:
    """Save the submitted form; boxes that are not ticked are missing from it. Return False to show its errors."""
    if request.POST.get("form") == NEW:
        return save_own_threshold(portal, request, threshold_form)
    if request.POST.get("form") == DELETE:
        remove_own_threshold(portal, request)
        return True
    _save_mails(request, portal, membership)
    return True


def _save_mails(request: SignedInRequest, portal: Portal, membership: Membership) -> None:
    organisation = OrganisationAlertsForm(request.POST)
    mine = MemberMailsForm(request.POST, **_rights(membership))
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


def _rights(membership: Membership) -> dict[str, bool]:
    return {
        "may_see_money": may_want(membership=membership, kind=INVOICE),
        "may_manage_keys": may_want(membership=membership, kind=KEY_LEAK),
    }


def _member_form(membership: Membership) -> MemberMailsForm:
    return MemberMailsForm(
        **_rights(membership),
        initial={kind.wish: wish for kind, wish in wishes_of(membership=membership, kinds=MEMBER_MAILS).items()},
        auto_id=f"id_{MINE}_%s",
    )


def _bars(portal: Portal) -> Sequence[QuotaBar]:
    tenant = portal.tenant
    today = local_day(portal.as_of, tenant.time_zone)
    uses = quota_uses(as_of=portal.as_of, tenant_ids=[tenant.pk]).get(tenant.pk, [])
    return [QuotaBar.of(use, today=today, anchor_on=tenant.period_anchor_on) for use in uses]


def _share(part: Decimal, whole: Decimal) -> Decimal:
    return (part * _WHOLE / whole).quantize(_PLACES, ROUND_FLOOR)
