"""Versions of meters: a change of definition counts the events that occur from a moment on, and no earlier ones."""

from datetime import datetime
from typing import Final

from django.db import transaction

from accounts.domain.actor import Actor
from accounts.errors import FieldError, InvalidFieldsError
from metering.domain.limit_policy import EVENT_AHEAD_MAX
from metering.domain.meter_terms import (
    COUNTS_AFTER,
    MeterTerms,
    check_meter_terms,
    version_begins_at,
    version_errors,
    version_may_be_cancelled,
)
from metering.errors import MeterFixedError
from metering.models import Meter, MeterVersion
from metering.selectors.catalog import forget_catalog
from metering.services.catalog_changes import record_change
from metering.services.meters import KIND, definition_fields, described_definition, terms_of

_FIRST_LATER: Final = 2


def create_version(
    *, meter: Meter, terms: MeterTerms, actor: Actor, as_of: datetime, begins_at: datetime | None = None
) -> MeterVersion:
    """Create a version that counts the events that occur from `begins_at` on, or as early as possible.

    Of the terms it takes the definition; code, name, unit and event type stay the meter's. Raises
    `InvalidFieldsError`.
    """
    with transaction.atomic():
        current = _locked(meter)
        latest = current.versions.order_by("number").last()
        begins = check_version(meter=current, terms=terms, begins_at=begins_at, as_of=as_of)
        number = _FIRST_LATER if latest is None else latest.number + 1
        version = MeterVersion.objects.create(
            meter=current, number=number, begins_at=begins, created_at=as_of, **definition_fields(terms)
        )
        described = described_definition(latest or current)
        after = {"number": number, "begins_at": begins.isoformat(), **described_definition(version)}
        changed = [name for name in after if after[name] != described.get(name)]
        record_change(
            current,
            KIND,
            "version_created",
            before={name: described[name] for name in changed if name in described},
            after={name: after[name] for name in changed},
            actor=actor,
            as_of=as_of,
        )
    forget_catalog()
    return version


def check_version(*, meter: Meter, terms: MeterTerms, begins_at: datetime | None, as_of: datetime) -> datetime:
    """Return when a version with these terms would begin. Raises `InvalidFieldsError`."""
    latest = meter.versions.order_by("number").last()
    check_meter_terms(terms)
    if found := tuple(version_errors(terms_of(meter, latest), terms)):
        raise InvalidFieldsError("The version cannot be saved.", field_errors=found)
    return _beginning(begins_at, latest, as_of)


def cancel_version(*, version: MeterVersion, actor: Actor, as_of: datetime) -> None:
    """Delete a version that is the last one and counts no event yet. Raises `MeterFixedError`."""
    with transaction.atomic():
        meter = _locked(version.meter)
        latest = meter.versions.order_by("number").last()
        if latest is None or latest.pk != version.pk:
            raise MeterFixedError("Only the last version can be cancelled.")
        if not version_may_be_cancelled(latest.begins_at, as_of):
            raise MeterFixedError(f"Version {latest.number} begins now or has begun, so it stays.")
        before = {"number": latest.number, "begins_at": latest.begins_at.isoformat(), **described_definition(latest)}
        record_change(meter, KIND, "version_cancelled", before=before, after={}, actor=actor, as_of=as_of)
        latest.delete()
    forget_catalog()


def _locked(meter: Meter) -> Meter:
    return Meter.objects.select_for_update(of=("self",)).select_related("event_type").get(pk=meter.pk)


def _beginning(wanted: datetime | None, latest: MeterVersion | None, as_of: datetime) -> datetime:
    begins_at = version_begins_at(wanted, as_of)
    minutes = -(-(EVENT_AHEAD_MAX + COUNTS_AFTER).total_seconds() // 60)
    if begins_at is None:
        detail = f"At least {minutes:.0f} minutes ahead: events that occur until then may be stored already."
    elif latest is not None and begins_at <= latest.begins_at:
        detail = f"After version {latest.number}, which begins at {latest.begins_at:%Y-%m-%d %H:%M} UTC."
    else:
        return begins_at
    raise InvalidFieldsError(detail, field_errors=(FieldError("/begins_at", "invalid_beginning", detail),))
