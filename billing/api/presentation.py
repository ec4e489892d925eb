"""Plans and invoices-to-be as the API shows them, and their schemas."""

from typing import Any

from rest_framework import serializers

from billing.domain.documents import tax_content, taxes_content
from billing.domain.happenings import PlanName, span_body
from billing.domain.invoicing.computing import ComputedInvoice
from billing.domain.invoicing.lines import LineDraft
from billing.domain.plan_terms import SoldVersion
from billing.domain.prices import PriceModel
from billing.domain.tax import TaxCategory, TaxTreatment
from billing.models import LineKind


class BillingSpanSchema(serializers.Serializer[Any]):
    """A span of time: `start` is part of it, `end` is not."""

    start = serializers.DateTimeField()
    end = serializers.DateTimeField()


class PlanNameSchema(serializers.Serializer[Any]):
    """A plan and its version."""

    code = serializers.CharField()
    name = serializers.CharField()
    version = serializers.IntegerField()


class AmountSchema(serializers.Serializer[Any]):
    """An amount in the currency's minor unit."""

    amount_minor = serializers.IntegerField()
    currency = serializers.CharField()


class TierSchema(serializers.Serializer[Any]):
    """A tier includes `up_to`; the last tier has no end. `flat_amount` is charged once when the tier is reached."""

    up_to = serializers.DecimalField(max_digits=29, decimal_places=9, allow_null=True)
    unit_amount = serializers.DecimalField(max_digits=24, decimal_places=12)
    flat_amount = serializers.DecimalField(max_digits=24, decimal_places=12)


class TermsSchema(serializers.Serializer[Any]):
    """The terms of a price in the currency's major unit. The price's model decides which fields are present."""

    amount = serializers.DecimalField(
        max_digits=24, decimal_places=12, required=False, help_text="The price of a period with usage (model `flat`)."
    )
    unit_amount = serializers.DecimalField(
        max_digits=24, decimal_places=12, required=False, help_text="The price of one unit (model `per_unit`)."
    )
    tiers = TierSchema(many=True, required=False, help_text="The tiers (models `graduated` and `volume`).")
    charge_flat_at_zero = serializers.BooleanField(
        required=False,
        help_text="True if the first tier's `flat_amount` is charged without usage, too; otherwise absent.",
    )
    package_size = serializers.DecimalField(
        max_digits=29, decimal_places=9, required=False, help_text="The units in a package (model `package`)."
    )
    package_amount = serializers.DecimalField(
        max_digits=24, decimal_places=12, required=False, help_text="The price of a package (model `package`)."
    )


class PriceSchema(serializers.Serializer[Any]):
    """The price of a meter's usage."""

    meter = serializers.CharField()
    name = serializers.CharField()
    unit = serializers.CharField()
    model = serializers.ChoiceField(choices=[model.value for model in PriceModel])
    terms = TermsSchema()


class LineTaxSchema(serializers.Serializer[Any]):
    """The tax on a line. A correction has the tax of the line that it corrects."""

    category = serializers.ChoiceField(
        choices=[category.value for category in TaxCategory], help_text="The tax category, a code of UNCL 5305."
    )
    rate = serializers.DecimalField(max_digits=7, decimal_places=4, help_text="The rate in percent.")
    reason = serializers.CharField(allow_blank=True)
    name = serializers.CharField()
    jurisdiction = serializers.CharField(allow_blank=True, help_text="The country that levies the tax.")


class NextLineSchema(serializers.Serializer[Any]):
    """A line of the next invoice."""

    position = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=LineKind.values)
    description = serializers.CharField()
    period = BillingSpanSchema()
    quantity = serializers.DecimalField(max_digits=38, decimal_places=9)
    unit = serializers.CharField(allow_blank=True)
    amount_minor = serializers.IntegerField()
    explanation = serializers.DictField(
        help_text="The steps from quantity to amount, described in docs/algorithms/rating.md."
    )
    supplied_on = serializers.DateField(help_text="The day of supply. It determines the tax.")
    tax = LineTaxSchema(allow_null=True, help_text="The tax on this line; null for a line that settles credit.")


class NextTaxSchema(serializers.Serializer[Any]):
    """One tax on the next invoice. There is a row for each category and rate."""

    name = serializers.CharField()
    percent = serializers.DecimalField(max_digits=7, decimal_places=4)
    treatment = serializers.ChoiceField(choices=[treatment.value for treatment in TaxTreatment])
    note = serializers.CharField(allow_blank=True)
    category = serializers.ChoiceField(
        choices=[category.value for category in TaxCategory], help_text="The tax category, a code of UNCL 5305."
    )
    jurisdiction = serializers.CharField(allow_blank=True, help_text="The country that levies the tax.")
    base_minor = serializers.IntegerField()
    amount_minor = serializers.IntegerField()


class NextInvoiceSchema(serializers.Serializer[Any]):
    """An invoice that was computed but not stored."""

    due_at = serializers.DateTimeField(help_text="The end of the period, when the invoice is drafted.")
    period = BillingSpanSchema()
    currency = serializers.CharField()
    lines = NextLineSchema(many=True)
    subtotal_minor = serializers.IntegerField()
    taxes = NextTaxSchema(many=True)
    tax_minor = serializers.IntegerField()
    carried_minor = serializers.IntegerField(
        help_text="Credit: negative if it was deducted after tax, positive if it is kept for later invoices."
    )
    total_minor = serializers.IntegerField()
    credit_left_minor = serializers.IntegerField(help_text="The credit that remains for the invoice after this one.")


def sold_plan_name(version: SoldVersion) -> dict[str, object]:
    """Return the plan's code and name, and the version's number."""
    return PlanName(version.plan_code, version.plan_name, version.number).as_body()


def next_invoice(computed: ComputedInvoice) -> dict[str, object]:
    """Return the body of an invoice that was computed and not stored."""
    state = computed.state
    return {
        "due_at": state.closes_at,
        "period": span_body(state.covered),
        "currency": state.currency,
        "lines": [_line(position, line) for position, line in enumerate(computed.lines, start=1)],
        "subtotal_minor": computed.subtotal_minor,
        "taxes": taxes_content(computed.taxes),
        "tax_minor": computed.tax_minor,
        "carried_minor": computed.carried_minor,
        "total_minor": computed.total_minor,
        "credit_left_minor": computed.credit_left_minor,
    }


def _line(position: int, line: LineDraft) -> dict[str, object]:
    return {
        "position": position,
        "kind": line.kind,
        "description": line.description,
        "period": span_body(line.period),
        "quantity": line.quantity,
        "unit": line.unit,
        "amount_minor": line.amount_minor,
        "explanation": dict(line.explanation),
        "supplied_on": line.supplied_on,
        "tax": tax_content(line.tax),
    }
