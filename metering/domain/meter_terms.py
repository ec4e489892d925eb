"""The terms of a meter as staff enter them, and their check.

The rule is fixed once counting begins.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from accounts.errors import FieldError, InvalidFieldsError
from metering.domain.aggregations.count import COUNT
from metering.domain.aggregations.registry import AGGREGATIONS
from metering.domain.codes import code_errors

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

    `filters` maps properties to the texts of which one must match.
    """

    code: str
    name: str
    unit: str
    event_type: str
    aggregation: str = COUNT.code
    value_property: str = ""
    dimensions: Sequence[str] = ()
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)


def check_meter_terms(terms: MeterTerms) -> None:
    """Check a meter's terms. Raises `InvalidFieldsError` that names every invalid term."""
    found = (*code_errors(terms.code), *_text_errors(terms), *_aggregation_errors(terms), *_property_errors(terms))
    if found:
        raise InvalidFieldsError("The meter cannot be saved.", field_errors=found)


def counting_begins_at(wanted: datetime | None, as_of: datetime) -> datetime:
    """Return when a meter begins to count: at the wanted time, but not before every process knows it."""
    earliest = as_of + COUNTS_AFTER
    return earliest if wanted is None else max(wanted, earliest)


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
    if not _are_filters(terms.filters):
        yield FieldError("/filters", "invalid_filters", 'An object of lists of texts, e.g. {"status": ["200", "201"]}.')


def _are_filters(filters: Any) -> bool:
    return isinstance(filters, Mapping) and all(
        isinstance(texts, list | tuple) and texts and all(isinstance(text, str) for text in texts)
        for texts in filters.values()
    )
