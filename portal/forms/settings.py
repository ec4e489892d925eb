"""The form of a tenant's settings: name, calendar, currency, address."""

from operator import itemgetter
from typing import Any, Final
from zoneinfo import available_timezones

from babel import Locale
from django import forms

from accounts.domain.tenant_settings import COUNTRIES, CURRENCIES
from billing.domain.languages import LANGUAGES
from billing.services.subscriptions.profiles import PAPER_TERMS
from metering.domain.periods import is_known_zone

ENGLISH: Final = Locale("en")


def time_zones() -> list[tuple[str, str]]:
    """Return time zones named by places; abbreviations and historical names are left out."""
    names = sorted(name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "SystemV/")))
    return [("UTC", "UTC"), *((name, name.replace("_", " ")) for name in names if is_known_zone(name))]


def countries() -> list[tuple[str, str]]:
    """Return the countries to choose from, by their English names."""
    named = [(code, ENGLISH.territories[code]) for code in COUNTRIES]
    return [("", "Choose a country"), *sorted(named, key=itemgetter(1))]


def _currencies() -> list[tuple[str, str]]:
    return [(code, f"{code}: {ENGLISH.currencies.get(code, code)}") for code in sorted(CURRENCIES)]


class SettingsForm(forms.Form):
    """A tenant's settings, in the groups that the page shows."""

    name = forms.CharField(max_length=120)
    time_zone = forms.ChoiceField(
        choices=time_zones,
        help_text="Days and months begin at midnight in this time zone, on these pages and for quotas.",
    )
    currency = forms.ChoiceField(choices=_currencies, help_text="The currency of your invoices.")
    legal_name = forms.CharField(required=False, max_length=200, label="Registered name")
    billing_email = forms.EmailField(required=False, max_length=254, label="E-mail for bills")
    address_line1 = forms.CharField(required=False, max_length=200, label="Street and number")
    address_line2 = forms.CharField(required=False, max_length=200, label="Building, floor")
    postal_code = forms.CharField(required=False, max_length=20)
    city = forms.CharField(required=False, max_length=100)
    region = forms.CharField(required=False, max_length=100, label="State or region")
    country = forms.ChoiceField(required=False, choices=countries)
    tax_id = forms.CharField(
        required=False,
        max_length=50,
        label="Tax id",
        help_text="VAT number, EIN, GSTIN or similar. It is printed on invoices.",
    )

    purchase_order = forms.CharField(
        required=False,
        max_length=60,
        label="Purchase order",
        help_text="Your own number of what you ordered; it is printed on new invoices.",
    )
    language = forms.ChoiceField(
        required=False, choices=list(LANGUAGES.items()), help_text="Of new invoices and receipts."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Add a stored value to the choices if the lists do not have it."""
        super().__init__(*args, **kwargs)
        for name in ("time_zone", "currency"):
            field, stored = self.fields[name], self.initial.get(name)
            assert isinstance(field, forms.ChoiceField), "the form's own field"
            offered: list[Any] = list(field.choices)  # type: ignore[arg-type]  # a callable is resolved by the field
            if stored and stored not in {code for code, _ in offered}:
                field.choices = [(stored, stored), *offered]

    @property
    def organisation_fields(self) -> list[forms.BoundField]:
        """Return the fields of the first group."""
        return [self[name] for name in ("name", "time_zone", "currency")]

    @property
    def billing_fields(self) -> list[forms.BoundField]:
        """Return the fields of the second group."""
        return [self[name] for name in ("legal_name", "tax_id", "billing_email")]

    @property
    def paper_fields(self) -> list[forms.BoundField]:
        """Return the fields about documents, which a billing profile keeps."""
        return [self[name] for name in PAPER_TERMS]

    @property
    def address_fields(self) -> list[forms.BoundField]:
        """Return the fields of the third group."""
        return [self[name] for name in ("address_line1", "address_line2", "postal_code", "city", "region", "country")]
