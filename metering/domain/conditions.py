"""The filters of a meter: for each property the accepted texts, or a condition. `passes_filters` is the same in SQL."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from metering.domain.canonical import PropertyValue
from metering.formulas.domain.property_values import signed_number_in, text_of

OPERANDS_MAX: Final = 200
_BOUND: Final = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,9})?", re.ASCII)
_BOUNDS: Final = ("gt", "gte", "lt", "lte")
_NAMES: Final = {"in": "any_of", "not_in": "none_of", "exists": "exists", **{name: name for name in _BOUNDS}}
_RULE: Final = (
    "Each property has a list of accepted texts, or conditions of equals, in, not_in, exists, gt, gte, lt and lte."
)


class Condition(msgspec.Struct, frozen=True, omit_defaults=True, rename={"any_of": "in", "none_of": "not_in"}):
    """What must hold of a property; each part that is None holds always.

    `exists` is about a value that is not null. A bound holds of a number, or of a text that is a plain number, alone.
    """

    any_of: tuple[str, ...] | None = None
    none_of: tuple[str, ...] | None = None
    exists: bool | None = None
    gt: Decimal | None = None
    gte: Decimal | None = None
    lt: Decimal | None = None
    lte: Decimal | None = None

    def holds(self, value: PropertyValue) -> bool:
        """Return whether it holds of a property, of which an absent one is None."""
        text = text_of(value)
        if self.any_of is not None and text not in self.any_of:
            return False
        if self.none_of is not None and text in self.none_of:
            return False
        if self.exists is not None and self.exists == (text is None):
            return False
        return self._is_within(value)

    def _is_within(self, value: PropertyValue) -> bool:
        if self.gt is self.gte is self.lt is self.lte is None:
            return True
        number = signed_number_in(value)
        return (
            number is not None
            and (self.gt is None or number > self.gt)
            and (self.gte is None or number >= self.gte)
            and (self.lt is None or number < self.lt)
            and (self.lte is None or number <= self.lte)
        )


Filter = tuple[str, ...] | Condition


def passes(filters: Mapping[str, Filter], properties: Mapping[str, PropertyValue]) -> bool:
    """Return whether every filtered property is as its filter says; an absent one has no text."""
    return all(
        text_of(properties.get(name)) in wanted if wanted.__class__ is tuple else wanted.holds(properties.get(name))  # type: ignore[union-attr]  # by its class
        for name, wanted in filters.items()
    )


def read_filters(filters: object) -> dict[str, Filter]:
    """Read filters as staff or the database write them. Raises ValueError with a sentence."""
    if not isinstance(filters, Mapping):
        raise ValueError(_RULE)  # noqa: TRY004 - the sentence is for people
    return {str(name): _read_filter(wanted) for name, wanted in filters.items()}


def as_stored(filters: Mapping[str, Filter]) -> dict[str, object]:
    """Return filters as JSON that has bounds as texts, so that no digit is lost."""
    return {
        name: list(wanted)
        if isinstance(wanted, tuple)
        else {
            key: list(part) if isinstance(part, tuple) else part if isinstance(part, bool) else format(part, "f")
            for key, attribute in _NAMES.items()
            if (part := getattr(wanted, attribute)) is not None
        }
        for name, wanted in filters.items()
    }


def _read_filter(wanted: object) -> Filter:
    if isinstance(wanted, Condition):
        return wanted
    if isinstance(wanted, list | tuple):
        return _read_texts(wanted)
    if not isinstance(wanted, Mapping) or not wanted:
        raise ValueError(_RULE)
    if set(wanted) == {"equals"}:
        return _read_texts([wanted["equals"]])
    parts: dict[str, Any] = {}
    for name, operand in wanted.items():
        if name not in _NAMES:
            raise ValueError(_RULE)
        parts[_NAMES[name]] = _read_operand(name, operand)
    return Condition(**parts)


def _read_operand(name: str, operand: object) -> tuple[str, ...] | bool | Decimal:
    if name == "exists":
        if not isinstance(operand, bool):
            raise ValueError("exists is true or false.")
        return operand
    if name in _BOUNDS:
        return _read_bound(operand)
    return _read_texts(operand)


def _read_texts(texts: object) -> tuple[str, ...]:
    if not isinstance(texts, list | tuple) or not 1 <= len(texts) <= OPERANDS_MAX:
        raise ValueError(f"A list of 1 to {OPERANDS_MAX} accepted texts.")
    if not all(isinstance(text, str) for text in texts):
        raise ValueError('Texts are compared: write a number as it is sent, such as "200".')
    return tuple(texts)


def _read_bound(bound: object) -> Decimal:
    """Read a bound. A number with a point is a text, since JSON's is not exact."""
    text = str(bound) if isinstance(bound, int) and not isinstance(bound, bool) else bound
    if not isinstance(text, str) or not _BOUND.fullmatch(text):
        raise ValueError('A bound is a whole number, or a text such as "0.5".')
    return Decimal(text)
