"""Create, change and delete meters. A meter's rule is fixed once it counts; its name is not."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from accounts.domain.actor import Actor
from accounts.errors import FieldError, InvalidFieldsError
from metering.domain.aggregations.registry import aggregation_named
from metering.domain.conditions import as_stored, read_filters
from metering.domain.meter_terms import COUNTS_AFTER, MeterTerms, check_meter_terms, counting_begins_at
from metering.errors import CodeTakenError, InUseError, MeterFixedError
from metering.models import Meter
from metering.models.catalog import MeterDefinition
from metering.selectors.catalog import forget_catalog
from metering.selectors.retention import kept_since
from metering.services.catalog_changes import event_type_named, record_change

KIND: Final = "meter"


def create_meter(*, terms: MeterTerms, actor: Actor, as_of: datetime, counts_from: datetime | None = None) -> Meter:
    """Create a meter that counts from `counts_from`, or as soon as every process knows it.

    In the past, `fill_meters` adds what was received since; until then the meter's usage is read from the events.

    Raises `InvalidFieldsError`, `CodeTakenError`.
    """
    fields = _fields(terms)
    begins_at = counting_begins_at(counts_from, as_of)
    _require_kept(begins_at)
    with transaction.atomic():
        try:
            with transaction.atomic():
                meter = Meter.objects.create(
                    created_at=as_of,
                    counts_from=begins_at,
                    fill_from=_filled_from(terms.aggregation, begins_at, as_of),
                    **fields,
                )
        except IntegrityError as error:
            raise CodeTakenError(f"The meter {terms.code} already exists.") from error
        record_change(meter, KIND, "created", before={}, after=_described(meter), actor=actor, as_of=as_of)
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
            begins_at = counting_begins_at(counts_from, as_of)
            _require_kept(begins_at)
            fields |= {"counts_from": begins_at, "fill_from": _filled_from(terms.aggregation, begins_at, as_of)}
        elif replace(terms_of(current), name=terms.name, unit=terms.unit) != _read(terms):
            raise MeterFixedError(
                f"{current.code} counts since {current.counts_from:%-d %B %Y}, so its rule is fixed:"
                " create a new version of it."
            )
        try:
            with transaction.atomic():
                Meter.objects.filter(pk=current.pk).update(**fields)
        except IntegrityError as error:
            raise CodeTakenError(f"The meter {terms.code} already exists.") from error
        current.refresh_from_db()
        after = _described(current)
        changed = [name for name in after if after[name] != before[name]]
        if changed:
            record_change(
                current,
                KIND,
                "updated",
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
        record_change(current, KIND, "deleted", before=_described(current), after={}, actor=actor, as_of=as_of)
        try:
            current.delete()
        except ProtectedError as error:
            raise InUseError(f"A price or a quota uses {meter.code}, so it cannot be deleted.") from error
    forget_catalog()


def terms_of(meter: Meter, version: MeterDefinition | None = None) -> MeterTerms:
    """Return a stored meter's terms, by one of its later versions if that is given."""
    definition = version or meter
    return MeterTerms(
        code=meter.code,
        name=meter.name,
        unit=meter.unit,
        event_type=meter.event_type.code,
        aggregation=definition.aggregation,
        value_property=definition.value_property,
        formula=definition.formula,
        dimensions=tuple(definition.dimensions),
        filters=read_filters(definition.filters),
    )


def _filled_from(aggregation: str, counts_from: datetime, as_of: datetime) -> datetime | None:
    """Return when the events that are stored already may be added to the rollups; None if the meter counts none."""
    return as_of + COUNTS_AFTER if counts_from < as_of and aggregation_named(aggregation).is_mergeable else None


def _require_kept(counts_from: datetime) -> None:
    """Refuse a meter that would count events that are deleted."""
    kept = kept_since()
    if kept is not None and counts_from < kept:
        refusal = FieldError("/counts_from", "events_deleted", f"Events before {kept:%-d %B %Y} were deleted.")
        raise InvalidFieldsError(refusal.detail, field_errors=(refusal,))


def _read(terms: MeterTerms) -> MeterTerms:
    return replace(terms, formula=terms.formula.strip(), filters=read_filters(terms.filters))


def _fields(terms: MeterTerms) -> dict[str, object]:
    check_meter_terms(terms)
    return {
        "code": terms.code,
        "name": terms.name.strip(),
        "unit": terms.unit.strip(),
        "event_type": event_type_named(terms.event_type),
        **definition_fields(terms),
    }


def definition_fields(terms: MeterTerms) -> dict[str, object]:
    """Return the columns of a meter's definition, which each of its versions has."""
    return {
        "aggregation": terms.aggregation,
        "value_property": terms.value_property,
        "formula": terms.formula.strip(),
        "dimensions": list(terms.dimensions),
        "filters": as_stored(read_filters(terms.filters)),
    }


def described_definition(definition: MeterDefinition) -> dict[str, object]:
    """Return a version of a meter as the audit log shows it."""
    return {
        "aggregation": definition.aggregation,
        "value_property": definition.value_property,
        "formula": definition.formula,
        "dimensions": definition.dimensions,
        "filters": definition.filters,
    }


def _described(meter: Meter) -> dict[str, object]:
    """Return a meter as the audit log shows it."""
    return {
        "code": meter.code,
        "name": meter.name,
        "unit": meter.unit,
        "event_type": meter.event_type.code,
        **described_definition(meter),
        "counts_from": meter.counts_from.isoformat(),
    }
