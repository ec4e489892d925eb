"""Create, change and delete meters. A meter's rule is fixed once it counts; its name is not."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from accounts.domain.actor import Actor
from accounts.errors import FieldError, InvalidFieldsError
from accounts.services.audit import AuditTarget, record_audit
from metering.domain.meter_terms import MeterTerms, check_meter_terms, counting_begins_at
from metering.errors import CodeTakenError, InUseError, MeterFixedError
from metering.models import EventType, Meter
from metering.selectors.catalog import forget_catalog


def create_meter(*, terms: MeterTerms, actor: Actor, as_of: datetime, counts_from: datetime | None = None) -> Meter:
    """Create a meter that counts from `counts_from`, or as soon as every process knows it.

    Raises `InvalidFieldsError`, `CodeTakenError`.
    """
    fields = _fields(terms)
    begins_at = counting_begins_at(counts_from, as_of)
    with transaction.atomic():
        try:
            with transaction.atomic():
                meter = Meter.objects.create(created_at=as_of, counts_from=begins_at, **fields)
        except IntegrityError as error:
            raise CodeTakenError(f"The meter {terms.code} already exists.") from error
        _record(meter, "meter.created", before={}, after=_described(meter), actor=actor, as_of=as_of)
    forget_catalog()
    return meter


def update_meter(
    *, meter: Meter, terms: MeterTerms, actor: Actor, as_of: datetime, counts_from: datetime | None = None
) -> Meter:
    """Change a meter's terms; only name and unit once it counts.

    Raises `InvalidFieldsError`, `CodeTakenError`, `MeterFixedError`.
    """
    with transaction.atomic():
        current = Meter.objects.select_for_update(of=("self",)).select_related("event_type").get(pk=meter.pk)
        before = _described(current)
        fields: dict[str, object] = dict(_fields(terms))
        if current.counts_from > as_of:
            fields["counts_from"] = counting_begins_at(counts_from, as_of)
        elif replace(terms_of(current), name=terms.name, unit=terms.unit) != terms:
            raise MeterFixedError(f"{current.code} counts since {current.counts_from:%-d %B %Y}, so its rule is fixed.")
        try:
            with transaction.atomic():
                Meter.objects.filter(pk=current.pk).update(**fields)
        except IntegrityError as error:
            raise CodeTakenError(f"The meter {terms.code} already exists.") from error
        current.refresh_from_db()
        after = _described(current)
        changed = [name for name in after if after[name] != before[name]]
        if changed:
            _record(
                current,
                "meter.updated",
                before={name: before[name] for name in changed},
                after={name: after[name] for name in changed},
                actor=actor,
                as_of=as_of,
            )
    forget_catalog()
    return current


def delete_meter(*, meter: Meter, actor: Actor, as_of: datetime) -> None:
    """Delete a meter that does not count yet. Raises `MeterFixedError`, `InUseError`."""
    with transaction.atomic():
        current = Meter.objects.select_for_update(of=("self",)).select_related("event_type").get(pk=meter.pk)
        if current.counts_from <= as_of:
            raise MeterFixedError(f"{current.code} has counted usage and cannot be deleted.")
        _record(current, "meter.deleted", before=_described(current), after={}, actor=actor, as_of=as_of)
        try:
            current.delete()
        except ProtectedError as error:
            raise InUseError(f"A price or a quota uses {meter.code}, so it cannot be deleted.") from error
    forget_catalog()


def terms_of(meter: Meter) -> MeterTerms:
    """Return a stored meter's terms."""
    return MeterTerms(
        code=meter.code,
        name=meter.name,
        unit=meter.unit,
        event_type=meter.event_type.code,
        aggregation=meter.aggregation,
        value_property=meter.value_property,
        dimensions=tuple(meter.dimensions),
        filters={name: tuple(texts) for name, texts in meter.filters.items()},
    )


def _fields(terms: MeterTerms) -> dict[str, object]:
    check_meter_terms(terms)
    event_type = EventType.objects.filter(code=terms.event_type).first()
    if event_type is None:
        refusal = FieldError("/event_type", "unknown_event_type", "No event type has this name.")
        raise InvalidFieldsError(refusal.detail, field_errors=(refusal,))
    return {
        "code": terms.code,
        "name": terms.name.strip(),
        "unit": terms.unit.strip(),
        "event_type": event_type,
        "aggregation": terms.aggregation,
        "value_property": terms.value_property,
        "dimensions": list(terms.dimensions),
        "filters": {name: list(texts) for name, texts in terms.filters.items()},
    }


def _described(meter: Meter) -> dict[str, object]:
    """Return a meter as the audit log shows it."""
    return {
        "code": meter.code,
        "name": meter.name,
        "unit": meter.unit,
        "event_type": meter.event_type.code,
        "aggregation": meter.aggregation,
        "value_property": meter.value_property,
        "dimensions": meter.dimensions,
        "filters": meter.filters,
        "counts_from": meter.counts_from.isoformat(),
    }


def _record(
    meter: Meter,
    action: str,
    *,
    before: Mapping[str, object],
    after: Mapping[str, object],
    actor: Actor,
    as_of: datetime,
) -> None:
    record_audit(
        actor=actor,
        action=action,
        tenant_id=None,
        target=AuditTarget("meter", meter.pk, meter.code),
        before=before,
        after=after,
        as_of=as_of,
    )
