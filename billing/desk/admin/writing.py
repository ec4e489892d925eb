"""Writing an invoice of single items: asked for on a page of its own, from the list of invoices."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any, Final

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.models import Tenant
from billing.admin.base import REASON_CHARACTERS_MAX
from billing.desk.domain.items import DESCRIPTION_CHARACTERS_MAX, UNIT_CHARACTERS_MAX, Item

ITEMS_ON_THE_PAGE: Final = 5
_PARTS: Final = ("description", "quantity", "unit", "unit_price", "first_on", "last_on")
_NEEDED: Final = ("description", "quantity", "unit_price", "first_on")


class WriteInvoiceForm(forms.Form):
    """Whom it is for, up to five items, and why. An item without a description is left out."""

    tenant = forms.CharField(max_length=50, widget=UnfoldAdminTextInputWidget, help_text="The slug of the customer.")
    reason = forms.CharField(
        max_length=REASON_CHARACTERS_MAX, widget=UnfoldAdminTextInputWidget, help_text="Kept in the audit log."
    )

    def __init__(self, data: Any, today: date) -> None:
        super().__init__(data)
        for number in range(1, ITEMS_ON_THE_PAGE + 1):
            for name, field in _fields(today if number == 1 else None).items():
                field.label = name.replace("_", " ").replace(" on", " day").capitalize()
                field.required = number == 1 and name in _NEEDED
                self.fields[f"{name}_{number}"] = field

    def clean_tenant(self) -> Tenant:
        """Return the tenant of this slug."""
        found = Tenant.objects.filter(slug=self.cleaned_data["tenant"]).first()
        if found is None:
            raise forms.ValidationError("There is no such customer.")
        return found

    def clean(self) -> dict[str, Any] | None:
        """Check that each item is whole."""
        given = super().clean()
        for number in range(2, ITEMS_ON_THE_PAGE + 1):
            if self.cleaned_data.get(f"description_{number}"):
                for name in _NEEDED:
                    if self.cleaned_data.get(f"{name}_{number}") is None and f"{name}_{number}" not in self.errors:
                        self.add_error(f"{name}_{number}", "This item needs it.")
        return given

    def about(self) -> list[forms.BoundField]:
        """Return the fields before the items."""
        return [self["tenant"], self["reason"]]

    def groups(self) -> list[tuple[int, list[forms.BoundField]]]:
        """Return the fields of each item, with its number."""
        numbers = range(1, ITEMS_ON_THE_PAGE + 1)
        return [(number, [self[f"{name}_{number}"] for name in _PARTS]) for number in numbers]

    def items(self) -> Iterator[Item]:
        """Yield the items of a valid form."""
        for number in range(1, ITEMS_ON_THE_PAGE + 1):
            said = {name: self.cleaned_data[f"{name}_{number}"] for name in _PARTS}
            if said["description"]:
                yield Item(**(said | {"last_on": said["last_on"] or said["first_on"]}))


def _fields(day: date | None) -> dict[str, forms.Field]:
    amount = UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"})
    calendar = UnfoldAdminTextInputWidget(attrs={"type": "date"})
    return {
        "description": forms.CharField(max_length=DESCRIPTION_CHARACTERS_MAX, widget=UnfoldAdminTextInputWidget),
        "quantity": forms.DecimalField(
            min_value=Decimal(0), initial=None if day is None else Decimal(1), widget=amount
        ),
        "unit": forms.CharField(max_length=UNIT_CHARACTERS_MAX, widget=UnfoldAdminTextInputWidget),
        "unit_price": forms.DecimalField(
            min_value=Decimal(0), widget=amount, help_text="Without tax, in the currency of the subscription."
        ),
        "first_on": forms.DateField(
            initial=day, widget=calendar, help_text="The day of supply, or the first day of the service."
        ),
        "last_on": forms.DateField(widget=calendar, help_text="The last day of the service, which decides the tax."),
    }
