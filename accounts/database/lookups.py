"""Django's `in` for many ids: one array instead of a placeholder for each.

Django prepares each value by itself, writes a statement with as many placeholders, and the driver reads that statement
again to fill them. For a batch of five hundred ids that takes longer than PostgreSQL takes to find the rows. PostgreSQL
plans a list and an array in the same way.
"""

from typing import Any, Final
from uuid import UUID

from django.db.models import Field, ForeignObject
from django.db.models.fields.related_lookups import RelatedIn
from django.db.models.lookups import In

MANY: Final = 20
_INT8_MAX: Final = 2**63 - 1
_INTEGERS: Final = frozenset({"AutoField", "BigAutoField", "BigIntegerField", "IntegerField", "PositiveIntegerField"})


class _OneArray:
    """Compares with one array, if many ids of one type are given; all else is left to Django."""

    lhs: Any
    rhs: Any

    def get_prep_lookup(self) -> Any:
        """Return the ids as they are, if they need no preparation."""
        if self._type_of_many() is not None:
            return list(self.rhs)
        return super().get_prep_lookup()  # type: ignore[misc] # Django's, by the classes below

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        """Return the comparison and its parameters."""
        type_name = self._type_of_many()
        if type_name is None:
            return super().as_sql(compiler, connection)  # type: ignore[misc,no-any-return] # as above
        texts = [item.hex for item in self.rhs] if type_name == "uuid" else map(str, self.rhs)
        sql, parameters = compiler.compile(self.lhs)
        return f"{sql} = ANY(%s::{type_name}[])", (*parameters, f"{{{','.join(texts)}}}")

    def _type_of_many(self) -> str | None:
        """Return PostgreSQL's type of the ids, if they are many of one type that the column has."""
        ids = self.rhs
        if not isinstance(ids, list | tuple | set | frozenset | dict) or len(ids) <= MANY:
            return None
        field = getattr(self.lhs, "output_field", None)
        field = getattr(field, "target_field", field)
        kind, types = field.get_internal_type() if field is not None else "", set(map(type, ids))
        if types == {UUID} and kind == "UUIDField":
            return "uuid"
        if types == {int} and kind in _INTEGERS and max(map(abs, ids)) <= _INT8_MAX:
            return "bigint"
        return None


class InOneArray(_OneArray, In):
    """`in` of a column."""


class RelatedInOneArray(_OneArray, RelatedIn):
    """`in` of a relation."""


def send_many_as_one_array() -> None:
    """Use these for every `in` of the application."""
    Field.register_lookup(InOneArray)
    ForeignObject.register_lookup(RelatedInOneArray)
