"""Fields of request bodies that take exactly what the contract says, and change nothing on the way in.

DRF's own fields turn numbers into texts, trim, and take times without an offset.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, Final

from rest_framework import serializers

from accounts.domain.plain import plain_decimal, plain_instant

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS_MAX: Final = 253_402_300_799_999
_INSTANT: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?P<offset>[Zz]|[+-]\d\d:\d\d)?", re.ASCII
)
_NAMES_TOLD: Final = 10
_NAME_CHARACTERS_TOLD: Final = 100
_QUANTITY: Final = re.compile(r"-?\d{1,40}(?:\.\d{1,40})?", re.ASCII)


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses names that the call does not know: a misspelt limit would otherwise be no limit."""

    default_error_messages: ClassVar = {"unknown_field": "The call does not know this name."}

    def to_internal_value(self, data: Any) -> Any:
        """Check the names, then the values."""
        if isinstance(data, Mapping):
            unknown = [name for name in data if name not in self.fields]
            if unknown:
                message = self.error_messages["unknown_field"]
                told = {name[:_NAME_CHARACTERS_TOLD]: [message] for name in unknown[:_NAMES_TOLD]}
                if len(unknown) > len(told):
                    told["non_field_errors"] = [f"{len(unknown) - len(told)} more names are unknown."]
                raise serializers.ValidationError(told, code="unknown_field")
        return super().to_internal_value(data)


class BoundedListField(serializers.ListField):
    """A JSON array of bounded length, which is looked at before any of its items is."""

    def __init__(self, *, max_length: int, **options: Any) -> None:
        super().__init__(max_length=max_length, **options)
        self.items_max = max_length

    def to_internal_value(self, data: Any) -> list[Any]:
        """Refuse a list that is too long, else check each item."""
        if isinstance(data, list) and len(data) > self.items_max:
            raise serializers.ValidationError(
                self.error_messages["max_length"].format(max_length=self.items_max), code="max_length"
            )
        items: list[Any] = super().to_internal_value(data)
        return items


class TextField(serializers.CharField):
    """A JSON string, kept byte for byte."""

    default_error_messages: ClassVar = {"invalid_type": "This is a string."}

    def __init__(self, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)

    def to_internal_value(self, data: Any) -> str:
        """Take strings alone."""
        if not isinstance(data, str):
            self.fail("invalid_type")
        return data


class WholeNumberField(serializers.IntegerField):
    """A JSON number without a point; `true` is none."""

    default_error_messages: ClassVar = {"invalid_type": "This is a whole number."}

    def to_internal_value(self, data: Any) -> int:
        """Take integers alone."""
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid_type")
        return data


class QuantityField(serializers.DecimalField):
    """A decimal as a string or a number, never through a float."""

    default_error_messages: ClassVar = {"invalid_type": "This is a decimal, as a string or a number."}

    def __init__(self, **options: Any) -> None:
        super().__init__(max_digits=20, decimal_places=9, **options)

    def to_internal_value(self, data: Any) -> Decimal:
        """Read a string in plain notation, an integer, or what the parser made of a number."""
        if isinstance(data, bool) or not isinstance(data, str | int | Decimal):
            self.fail("invalid_type")
        if isinstance(data, str) and _QUANTITY.fullmatch(data) is None:
            self.fail("invalid")
        try:
            number = Decimal(data)
        except InvalidOperation:
            self.fail("invalid")
        return self.quantize(self.validate_precision(number))

    def to_representation(self, value: Any) -> str:
        """Write plainly."""
        return plain_decimal(value)


class InstantField(serializers.DateTimeField):
    """RFC 3339 with an offset, or an integer of epoch milliseconds."""

    default_error_messages: ClassVar = {
        "invalid_type": "A time is a string, or an integer of epoch milliseconds.",
        "invalid_time": "A time such as 2026-11-21T09:30:00Z, with its offset.",
    }

    def to_internal_value(self, value: Any) -> datetime:
        """Return an aware time in UTC."""
        if isinstance(value, bool) or not isinstance(value, str | int):
            self.fail("invalid_type")
        if isinstance(value, int):
            if not 0 <= value <= _MILLISECONDS_MAX:
                self.fail("invalid_time")
            return _EPOCH + timedelta(milliseconds=value)
        shape = _INSTANT.fullmatch(value)
        if shape is None or shape["offset"] is None:
            self.fail("invalid_time")
        try:
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail("invalid_time")

    def to_representation(self, value: Any) -> str:
        """Write in UTC."""
        return plain_instant(value)
