"""The form from which the next version of a plan is published: a fee for each currency, and what each meter costs.

Tiers are written one to a line: the upper quantity, the price of a unit, and the amount due once if usage reaches the
tier. An error in a price is shown at its field, and for tiers with its line.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django import forms
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from accounts.domain.numbers import number_text
from accounts.domain.plain import plain_decimal
from accounts.errors import FieldError, InvalidFieldsError
from billing.admin.wording import StaffStep, shown_steps
from billing.domain.money import money_text
from billing.domain.plan_terms import TRIAL_DAYS_MAX, PriceOffer, SoldVersion, VersionOffer, check_offer
from billing.domain.prices import AT_ZERO, MODEL_OF, PriceModel, read_terms, write_terms
from billing.domain.rating import rate
from metering.models import Meter, UsagePlan

UNITS_BY_DEFAULT: Final = 100_000
UNITS_MAX: Final = 10**15
CURRENCIES_MAX: Final = 30
LAST_TIER: Final = "more"
_TIER: Final = re.compile(r"/terms/tiers/(\d+)")
_CODE: Final = re.compile(r"[A-Za-z]{3}")
_WORDS_OF_TIER: Final = (2, 3)
_NOTHING: Final = Decimal(0)
_ONE: Final = Decimal(1)
_METER_FIELDS: Final = ("model", "amount", "size", "tiers", "at_zero")
MODELS: Final = [
    ("", "Not charged"),
    *((model.value, model.value.replace("_", " ").capitalize()) for model in PriceModel),
]
_AMOUNT_NAME: Final = {
    PriceModel.FLAT: "amount",
    PriceModel.PER_UNIT: "unit_amount",
    PriceModel.PACKAGE: "package_amount",
}


def read_currencies(text: str) -> list[str]:
    """Return the currency codes in a text, each once."""
    return list(dict.fromkeys(code.upper() for code in _CODE.findall(text)))[:CURRENCIES_MAX]


@dataclass(frozen=True, slots=True)
class MeterFields:
    """The fields of one meter in one currency."""

    meter: Meter
    model: forms.BoundField
    amount: forms.BoundField
    size: forms.BoundField
    tiers: forms.BoundField
    at_zero: forms.BoundField


@dataclass(frozen=True, slots=True)
class CurrencyFields:
    """The fields of one currency."""

    currency: str
    fee: forms.BoundField
    meters: list[MeterFields]


@dataclass(frozen=True, slots=True)
class ExampleRow:
    """The amount of a price at each of the example's quantities. The steps are those of the example's units."""

    what: str
    amounts: list[str]
    steps: list[StaffStep]


@dataclass(frozen=True, slots=True)
class Example:
    """An example of a month's invoice in one currency, without tax, computed by the real rating."""

    currency: str
    quantities: list[str]
    rows: list[ExampleRow]
    totals: list[str]


class PublishForm(forms.Form):
    """The terms of the next version. A valid form has `offer`."""

    usage_plan = forms.ModelChoiceField(
        queryset=UsagePlan.objects.order_by("name"),
        widget=UnfoldAdminSelectWidget,
        help_text="The throttle and the quotas of the plan's subscribers.",
    )
    trial_days = forms.IntegerField(
        min_value=0,
        max_value=TRIAL_DAYS_MAX,
        initial=0,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "numeric"}),
    )
    units = forms.DecimalField(
        min_value=0,
        max_value=UNITS_MAX,
        initial=UNITS_BY_DEFAULT,
        label="Units of the example",
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}),
        help_text="The page shows the cost of this many units of each meter before you publish.",
    )
    currencies = forms.CharField(widget=forms.HiddenInput)
    expected_number = forms.IntegerField(min_value=0, widget=forms.HiddenInput)

    def __init__(
        self, data: Any, *, currencies: Sequence[str], meters: Sequence[Meter], initial: Mapping[str, object]
    ) -> None:
        super().__init__(data, initial=dict(initial))
        self.offer: VersionOffer | None = None
        self._currencies, self._meters = currencies, meters
        self._prices: list[PriceOffer] = []
        self._read_from: list[str] = []
        self._unreadable: set[str] = set()
        for currency in currencies:
            self.fields[f"fee_{currency}"] = forms.CharField(
                label="Monthly fee",
                max_length=30,
                widget=_narrow(f"Monthly fee in {currency}"),
                help_text="Charged in advance. 0 for no fee.",
            )
            for meter in meters:
                self._add_meter(f"{currency}_{meter.pk}", f"{meter.name} in {currency}")

    def _add_meter(self, suffix: str, label: str) -> None:
        self.fields[f"model_{suffix}"] = forms.ChoiceField(
            label="Model",
            choices=MODELS,
            required=False,
            widget=UnfoldAdminSelectWidget(attrs={"x-model": "model", "aria-label": f"Model of {label}"}),
        )
        self.fields[f"amount_{suffix}"] = forms.CharField(
            label="Amount", max_length=30, required=False, widget=_narrow(f"Amount of {label}")
        )
        self.fields[f"size_{suffix}"] = forms.CharField(
            label="Units in a package", max_length=30, required=False, widget=_narrow(f"Units in a package of {label}")
        )
        self.fields[f"tiers_{suffix}"] = forms.CharField(
            label="Tiers",
            max_length=4000,
            required=False,
            strip=True,
            widget=UnfoldAdminTextareaWidget(
                attrs={"rows": 4, "placeholder": f"10000 0.002\n{LAST_TIER} 0.001", "aria-label": f"Tiers of {label}"}
            ),
        )
        self.fields[f"at_zero_{suffix}"] = forms.BooleanField(
            label="Charge the first tier's amount due once also without usage",
            required=False,
            widget=UnfoldBooleanWidget(attrs={"aria-label": f"First tier's amount of {label} also without usage"}),
        )

    def blocks(self) -> Iterator[CurrencyFields]:
        """Yield the fields of each currency as the page lays them out."""
        for currency in self._currencies:
            rows = [
                MeterFields(meter, *(self[f"{name}_{currency}_{meter.pk}"] for name in _METER_FIELDS))
                for meter in self._meters
            ]
            yield CurrencyFields(currency, self[f"fee_{currency}"], rows)

    def clean(self) -> dict[str, Any]:
        """Read and check every price, and set `offer` if all are valid."""
        cleaned = super().clean() or self.cleaned_data
        for currency in self._currencies:
            fee = str(cleaned.get(f"fee_{currency}", "")).strip()
            if f"fee_{currency}" not in self.errors:
                self._read(f"fee_{currency}", currency, None, PriceModel.FLAT, {"amount": fee})
            for meter in self._meters:
                suffix = f"{currency}_{meter.pk}"
                model = cleaned.get(f"model_{suffix}", "")
                if model:
                    self._read(suffix, currency, meter.code, model, self._terms_of(suffix, model))
        if not self.errors:
            offer = VersionOffer(cleaned["usage_plan"].code, tuple(self._prices), cleaned["trial_days"])
            try:
                check_offer(offer)
            except InvalidFieldsError as error:
                self._refuse(error.field_errors)
            else:
                self.offer = offer
        return cleaned

    def examples(self) -> list[Example]:
        """Return the amounts without usage, at a tenth of the units, at the units and at ten times as many."""
        assert self.offer is not None, "the form is valid"
        return examples_of(
            self.offer.prices, self.cleaned_data["units"], {meter.code: meter.name for meter in self._meters}
        )

    def _terms_of(self, suffix: str, model: str) -> dict[str, object]:
        cleaned = self.cleaned_data
        if model in {PriceModel.GRADUATED, PriceModel.VOLUME}:
            return {"tiers": self._tiers_of(f"tiers_{suffix}"), AT_ZERO: cleaned.get(f"at_zero_{suffix}", False)}
        terms: dict[str, object] = {_AMOUNT_NAME[PriceModel(model)]: cleaned.get(f"amount_{suffix}", "").strip()}
        if model == PriceModel.PACKAGE:
            terms["package_size"] = cleaned.get(f"size_{suffix}", "").strip()
        return terms

    def _tiers_of(self, field: str) -> list[dict[str, object]]:
        tiers: list[dict[str, object]] = []
        for number, line in enumerate(self.cleaned_data.get(field, "").splitlines(), start=1):
            words = line.split()
            if not words:
                continue
            if len(words) not in _WORDS_OF_TIER:
                self._unreadable.add(field)
                self.add_error(
                    field,
                    f"Line {number}: enter the upper limit, the price of a unit, and a fixed amount, if any.",
                )
                continue
            up_to = None if words[0].lower() == LAST_TIER else words[0]
            tiers.append(
                {
                    "up_to": up_to,
                    "unit_amount": words[1],
                    "flat_amount": words[2] if len(words) > _WORDS_OF_TIER[0] else "0",
                }
            )
        return tiers

    def _read(self, field: str, currency: str, meter_code: str | None, model: str, given: Mapping[str, object]) -> None:
        """Read one price, remember its field, and add any errors to the form."""
        position = len(self._read_from)
        self._read_from.append(field)
        try:
            terms = read_terms(model, given, pointer=f"/prices/{position}/terms")
        except InvalidFieldsError as error:
            self._refuse(error.field_errors)
        else:
            self._prices.append(PriceOffer(currency, terms, meter_code))

    def _refuse(self, refusals: Sequence[FieldError]) -> None:
        """Add each error to the field that its pointer names."""
        for refusal in refusals:
            field, line = _place_of(refusal.pointer, self._read_from)
            if field not in self._unreadable:
                self.add_error(field if field in self.fields else None, f"{line}{refusal.detail}")


def examples_of(prices: Sequence[PriceOffer], units: Decimal, names: Mapping[str, str]) -> list[Example]:
    """Return an example invoice in each currency, with `units` of each meter."""
    quantities = [_NOTHING, units / 10, units, units * 10]
    examples = []
    for currency in dict.fromkeys(price.currency for price in prices):
        rows, totals = [], [0] * len(quantities)
        for price in (price for price in prices if price.currency == currency):
            asked = quantities if price.meter_code else [_ONE] * len(quantities)
            charges = [rate(price.terms, quantity, currency) for quantity in asked]
            totals = [total + charge.amount_minor for total, charge in zip(totals, charges, strict=True)]
            name = names.get(price.meter_code or "", price.meter_code or "") or "Monthly fee"
            amounts = [money_text(charge.amount_minor, currency) for charge in charges]
            usual = charges[2]
            steps = shown_steps(usual.explanation(), usual.amount_minor, currency) if price.meter_code else []
            rows.append(ExampleRow(name, amounts, steps))
        shown = [number_text(quantity) for quantity in quantities]
        examples.append(Example(currency, shown, rows, [money_text(total, currency) for total in totals]))
    return examples


def initial_of(version: SoldVersion | None, currencies: Sequence[str]) -> dict[str, object]:
    """Return the form's initial values: the prices of the version that is sold now."""
    if version is None:
        return {f"fee_{currency}": "0" for currency in currencies}
    initial: dict[str, object] = {"usage_plan": version.usage_plan_id, "trial_days": version.trial_days}
    for price in version.prices:
        terms = write_terms(price.terms)
        if price.meter_id is None:
            initial[f"fee_{price.currency}"] = terms["amount"]
            continue
        suffix = f"{price.currency}_{price.meter_id}"
        initial[f"model_{suffix}"] = MODEL_OF[type(price.terms)].value
        initial[f"size_{suffix}"] = terms.get("package_size", "")
        initial[f"tiers_{suffix}"] = "\n".join(_written_tier(tier) for tier in terms.get("tiers", []))  # type: ignore[attr-defined]
        initial[f"at_zero_{suffix}"] = terms.get(AT_ZERO, False)
        initial[f"amount_{suffix}"] = next((terms[name] for name in _AMOUNT_NAME.values() if name in terms), "")
    return initial


def _written_tier(tier: Mapping[str, Any]) -> str:
    words = [tier["up_to"] or LAST_TIER, tier["unit_amount"]]
    if Decimal(tier["flat_amount"]):
        words.append(plain_decimal(Decimal(tier["flat_amount"])))
    return " ".join(words)


def _place_of(pointer: str, fields: Sequence[str]) -> tuple[str | None, str]:
    """Return the form's field of a pointer, and for a tier the prefix that names its line."""
    parts = pointer.split("/")
    if parts[1] != "prices" or len(parts) < 3:  # noqa: PLR2004
        return parts[1], ""
    field = fields[int(parts[2])]
    if field.startswith("fee_"):
        return field, ""
    tier = _TIER.search(pointer)
    if tier or pointer.endswith("/tiers"):
        return f"tiers_{field}", f"Line {int(tier[1]) + 1}: " if tier else ""
    if pointer.endswith("package_size"):
        return f"size_{field}", ""
    return f"amount_{field}" if "/terms/" in pointer else f"model_{field}", ""


def _narrow(label: str) -> forms.Widget:
    widget: forms.Widget = UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal", "aria-label": label})
    return widget
