"""The forms of single items: of an invoice that staff write, and of a customer's next invoice."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any, Final

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.models import Tenant
from billing.admin.base import REASON_CHARACTERS_MAX
from billing.domain.invoicing.items import DESCRIPTION_CHARACTERS_MAX, UNIT_CHARACTERS_MAX, Item
from billing.domain.tax import TaxCategory

ITEMS_ON_THE_PAGE: Final = 5
_PARTS: Final = ("description", "quantity", "unit", "unit_price", "first_on", "last_on")
_NEEDED: Final = ("description", "quantity", "unit_price", "first_on")


class CustomerForm(forms.Form):
    """Whom it is for, and why."""

    tenant = forms.CharField(max_length=50, widget=UnfoldAdminTextInputWidget, help_text="The slug of the customer.")
    reason = forms.CharField(
        max_length=REASON_CHARACTERS_MAX, widget=UnfoldAdminTextInputWidget, help_text="Kept in the audit log."
    )

    def clean_tenant(self) -> Tenant:
        """Return the tenant of this slug."""
        found = Tenant.objects.filter(slug=self.cleaned_data["tenant"]).first()
        if found is None:
            raise forms.ValidationError("There is no such customer.")
        return found


class NextItemForm(CustomerForm):
    """One item of a customer's next invoice: a charge or a credit."""

    def __init__(self, data: Any, today: date) -> None:
        super().__init__(data)
        choices = [("charge", "A charge"), ("credit", "A credit")]
        self.fields["way"] = forms.ChoiceField(label="What it is", choices=choices, widget=UnfoldAdminSelectWidget)
        for name, field in _fields(today).items():
            field.label = name.replace("_", " ").replace(" on", " day").capitalize()
            field.required = name in _NEEDED
            self.fields[name] = field
        self.fields["tax_category"] = forms.ChoiceField(
            label="Tax",
            required=False,
            choices=[("", "As for all that the customer buys"), (TaxCategory.OUT_OF_SCOPE.value, "None: no supply")],
            widget=UnfoldAdminSelectWidget,
            help_text="What is no supply, such as compensation, bears no tax; the invoice says so.",
        )
        self.order_fields(["tenant", "way", *_PARTS, "tax_category", "reason"])

    def item(self) -> Item:
        """Return the item of a valid form; the price of a credit is below 0."""
        said = {name: self.cleaned_data[name] for name in (*_PARTS, "tax_category")}
        price = said["unit_price"] if self.cleaned_data["way"] == "charge" else -said["unit_price"]
        return Item(**(said | {"unit_price": price, "last_on": said["last_on"] or said["first_on"]}))


class WriteInvoiceForm(CustomerForm):
    """Whom it is for, up to five items, and why. An item without a description is left out."""

    def __init__(self, data: Any, today: date) -> None:
        super().__init__(data)
        for number in range(1, ITEMS_ON_THE_PAGE + 1):
            for name, field in _fields(today if number == 1 else None).items():
                field.label = name.replace("_", " ").replace(" on", " day").capitalize()
                field.required = number == 1 and name in _NEEDED
                self.fields[f"{name}_{number}"] = field

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
