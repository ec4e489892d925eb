"""A tenant's own thresholds on the page of alerts: the rows, the form, and what is sent by it."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest

from accounts.domain.numbers import number_text, unit_name
from accounts.errors import InvalidFieldsError
from metering.alerts.models import OwnThreshold
from metering.alerts.selectors.own_thresholds import own_threshold_of, own_thresholds_of, quotas_with_alerts
from metering.alerts.services.own_thresholds import create_own_threshold, delete_own_threshold
from metering.domain.periods import Period
from metering.errors import AlertThresholdExistsError, TooManyAlertThresholdsError
from portal.access import Portal
from portal.forms.alerts import OwnThresholdForm
from portal.forms.problems import show_problem

NEW, DELETE = "threshold", "threshold_delete"
_FIELDS: Final = {"meter": "quota", "threshold": "at", "threshold_quantity": "at"}


@dataclass(frozen=True, slots=True)
class OwnThresholdRow:
    """A threshold as the table shows it. It is dormant if the plan has no such quota now."""

    threshold: OwnThreshold
    quota: str
    at: str
    is_dormant: bool


def own_threshold_rows(portal: Portal) -> list[OwnThresholdRow]:
    """Return all thresholds that the tenant has set, the newest first."""
    found = list(own_thresholds_of(tenant_id=portal.tenant.pk))
    if not found:
        return []
    armed = {(quota.meter_id, quota.period) for quota in quotas_with_alerts(tenant_id=portal.tenant.pk)}
    return [
        OwnThresholdRow(
            threshold=one,
            quota=f"{one.meter.name}, {Period(one.quota_period).words_of_current}",
            at=_at(one),
            is_dormant=(one.meter_id, one.quota_period) not in armed,
        )
        for one in found
    ]


def own_threshold_form(portal: Portal, request: HttpRequest) -> OwnThresholdForm:
    """Return the form, with what was sent if it was this form."""
    quotas = [
        (f"{quota.meter.code}:{quota.period}", f"{quota.meter.name} {Period(quota.period).words_of_current}")
        for quota in quotas_with_alerts(tenant_id=portal.tenant.pk)
    ]
    data = request.POST if request.POST.get("form") == NEW else None
    return OwnThresholdForm(data, quotas=quotas, auto_id="id_threshold_%s")


def save_own_threshold(portal: Portal, request: HttpRequest, form: OwnThresholdForm) -> bool:
    """Create the threshold that was sent. Return False, with the errors in the form, if it cannot be."""
    if not form.is_valid():
        return False
    try:
        create_own_threshold(tenant=portal.tenant, terms=form.terms(), actor=portal.actor, as_of=portal.as_of)
    except (InvalidFieldsError, AlertThresholdExistsError, TooManyAlertThresholdsError) as error:
        if not error.field_errors:
            show_problem(form, error)
        for refused in error.field_errors:
            form.add_error(_FIELDS.get(refused.pointer.strip("/")), refused.detail)
        return False
    messages.success(request, "The threshold is set. Usage is compared with it each minute.")
    return True


def remove_own_threshold(portal: Portal, request: HttpRequest) -> None:
    """Delete the threshold whose id was sent. Raises 404 if the tenant has no such threshold."""
    try:
        threshold_id = UUID(request.POST.get("threshold_id", ""))
    except ValueError as error:
        raise Http404 from error
    threshold = own_threshold_of(tenant_id=portal.tenant.pk, threshold_id=threshold_id)
    delete_own_threshold(threshold=threshold, actor=portal.actor, as_of=portal.as_of)
    messages.success(request, "The threshold is deleted. Its alerts stay.")


def _at(one: OwnThreshold) -> str:
    if one.threshold_quantity is None:
        return f"{one.threshold} %"
    return f"{number_text(one.threshold_quantity)} {unit_name(one.meter.unit, one.threshold_quantity)}"
