"""The form of the estimator: a quantity for each meter."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, Protocol

from django import forms
from django.http import QueryDict

# More than anybody uses, and little enough that no plan comes to an amount which an invoice could not hold.
QUANTITY_MAX: Final = Decimal(10) ** 15
_PLACES: Final = 9


class AskedMeter(Protocol):
    """What the form needs of a meter."""

    @property
    def code(self) -> str:
        """Return its code."""

    @property
    def name(self) -> str:
        """Return its name."""


def field_of(meter_code: str) -> str:
    """Return the name of the field for a meter's quantity."""
    return f"use-{meter_code}"


class EstimateForm(forms.Form):
    """A number field for each meter. An empty one is 0."""

    def __init__(self, data: QueryDict | None, *, meters: Sequence[AskedMeter], starts: Mapping[str, Decimal]) -> None:
        super().__init__(data)
        self._codes = [meter.code for meter in meters]
        for meter in meters:
            self.fields[field_of(meter.code)] = forms.DecimalField(
                label=meter.name,
                min_value=0,
                max_value=QUANTITY_MAX,
                max_digits=16 + _PLACES,
                decimal_places=_PLACES,
                required=False,
                initial=_plain(starts[meter.code]),
                widget=forms.NumberInput(attrs={"inputmode": "decimal", "step": "any", "autocomplete": "off"}),
            )

    def quantities(self) -> dict[str, Decimal]:
        """Return the quantities that were given and are right, by the meters' codes."""
        self.is_valid()
        cleaned: dict[str, Any] = self.cleaned_data
        return {code: cleaned[field_of(code)] or Decimal(0) for code in self._codes if field_of(code) in cleaned}


def _plain(quantity: Decimal) -> str:
    return f"{quantity.normalize():f}"
