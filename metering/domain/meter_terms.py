"""The terms of a meter as staff enter them, and their check.

The rule is fixed once counting begins.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from accounts.errors import FieldError, InvalidFieldsError
from metering.domain.aggregations.count import COUNT
from metering.domain.aggregations.registry import AGGREGATIONS
from metering.domain.codes import code_errors
from metering.domain.conditions import as_stored, read_filters
from metering.domain.limit_policy import EVENT_AHEAD_MAX
from metering.formulas.domain.formula import formula_of
from metering.formulas.domain.syntax import FormulaError

NAME_CHARACTERS_MAX: Final = 120
UNIT_CHARACTERS_MAX: Final = 30
PROPERTY_CHARACTERS_MAX: Final = 100
# Each combination of their values is one row a day.
DIMENSIONS_MAX: Final = 10
# Longer than any process caches the catalogue, so that all begin to count at the same event.
COUNTS_AFTER: Final = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class MeterTerms:
    """A meter: which events of a type count, and how they become a quantity.

    `filters` maps properties to the texts of which one must match, or to conditions.
    """

    code: str
    name: str
    unit: str
    event_type: str
    aggregation: str = COUNT.code
    value_property: str = ""
    formula: str = ""
    dimensions: Sequence[str] = ()
    filters: Mapping[str, object] = field(default_factory=dict)


def check_meter_terms(terms: MeterTerms) -> None:
    """Check a meter's terms. Raises `InvalidFieldsError` that names every invalid term."""
    found = (
        *code_errors(terms.code),
        *_text_errors(terms),
        *_aggregation_errors(terms),
        *_property_errors(terms),
        *_formula_errors(terms),
    )
    if found:
        raise InvalidFieldsError("The meter cannot be saved.", field_errors=found)


def counting_begins_at(wanted: datetime | None, as_of: datetime) -> datetime:
    """Return when a meter begins to count: at the wanted time, in the past too, or once every process knows it."""
    earliest = as_of + COUNTS_AFTER
    return earliest if wanted is None or as_of <= wanted < earliest else wanted


def version_begins_at(wanted: datetime | None, as_of: datetime) -> datetime | None:
    """Return when a version may begin: at the wanted time, or as soon as possible; None if that is too early.

    Until then every process knows it, and no event was accepted that occurs later.
    """
    earliest = as_of + EVENT_AHEAD_MAX + COUNTS_AFTER
    if wanted is None:
        return earliest
    return wanted if wanted >= earliest else None


def version_may_be_cancelled(begins_at: datetime, as_of: datetime) -> bool:
    """Return whether no event can be stored yet that a version counts."""
    return begins_at >= as_of + EVENT_AHEAD_MAX + COUNTS_AFTER


def version_errors(latest: MeterTerms, terms: MeterTerms) -> Iterator[FieldError]:
    """Yield why terms cannot follow those of a meter's latest version.

    A window across both has one quantity, so both are of one kind, or of kinds that add up. Levels last across both, so
    their series stay.
    """
    kinds = {kind.code: kind for kind in AGGREGATIONS}
    if terms.aggregation not in kinds:
        return
    kind, before = kinds[terms.aggregation], kinds[latest.aggregation]
    if not kind.continues(before):
        detail = f"{kind.name} and {before.name} come to no common quantity. Create another meter."
        yield FieldError("/aggregation", "other_quantity", detail)
    if kind.lasts and tuple(terms.dimensions) != tuple(latest.dimensions):
        yield FieldError("/dimensions", "other_series", "They name the series of levels. Create another meter.")
    if _definition(terms) == _definition(latest):
        yield FieldError("/aggregation", "nothing_changed", "The latest version counts the same.")


def _definition(terms: MeterTerms) -> tuple[object, ...]:
    filters = as_stored(read_filters(terms.filters))
    return terms.aggregation, terms.value_property, terms.formula.strip(), tuple(terms.dimensions), filters


def _text_errors(terms: MeterTerms) -> Iterator[FieldError]:
    for name, text, most in (("name", terms.name, NAME_CHARACTERS_MAX), ("unit", terms.unit, UNIT_CHARACTERS_MAX)):
        if not 1 <= len(text.strip()) <= most:
            yield FieldError(f"/{name}", f"invalid_{name}", f"A {name} has 1 to {most} characters.")


def _aggregation_errors(terms: MeterTerms) -> Iterator[FieldError]:
    kinds = {kind.code: kind for kind in AGGREGATIONS}
    kind = kinds.get(terms.aggregation)
    if kind is None:
        yield FieldError("/aggregation", "unknown_aggregation", f"One of {', '.join(kinds)}.")
    elif terms.value_property and not kind.takes_property:
        yield FieldError("/value_property", "no_property_measured", f"{kind.name} measures no property.")
    elif terms.formula and not kind.takes_formula:
        yield FieldError("/formula", "no_number_measured", f"{kind.name} measures no number, so it has no formula.")


def _formula_errors(terms: MeterTerms) -> Iterator[FieldError]:
    if terms.formula and terms.value_property:
        yield FieldError("/formula", "property_or_formula", "Give a property or a formula, not both.")
    try:
        formula_of(terms.formula)
    except FormulaError as error:
        yield FieldError("/formula", "invalid_formula", str(error))


def _property_errors(terms: MeterTerms) -> Iterator[FieldError]:
    if len(terms.value_property) > PROPERTY_CHARACTERS_MAX:
        yield FieldError("/value_property", "invalid_property", f"At most {PROPERTY_CHARACTERS_MAX} characters.")
    names = terms.dimensions
    if (
        len(names) > DIMENSIONS_MAX
        or len(set(names)) != len(names)
        or not all(name and name == name.strip() and len(name) <= PROPERTY_CHARACTERS_MAX for name in names)
    ):
        yield FieldError("/dimensions", "invalid_dimensions", f"At most {DIMENSIONS_MAX} different property names.")
    try:
        read_filters(terms.filters)
    except ValueError as error:
        yield FieldError(
            "/filters", "invalid_filters", f'{error} Such as {{"status": ["200", "201"], "size": {{"gt": 0}}}}.'
        )
