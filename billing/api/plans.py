"""`GET /plans`: the plans that a tenant can buy."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.schema import TENANT_PARAMETER, problems
from accounts.api.tenancy import tenant_of
from accounts.api.views import ApiView
from accounts.domain.scopes import Scope
from billing.api.presentation import AmountSchema, PriceSchema
from billing.domain.money import round_to_minor
from billing.domain.plan_terms import SoldPrice, fee_amount
from billing.domain.prices import MODEL_OF, write_terms
from billing.selectors.catalog.price_list import ListedPlan, price_list
from metering.domain.limit_scopes import LimitScope
from metering.domain.periods import Period
from metering.models import UsagePlan


class PlanThrottleSchema(serializers.Serializer[Any]):
    """The rate of requests that the plan allows."""

    rate = serializers.IntegerField(help_text="Requests per second.")
    burst = serializers.IntegerField()


class PlanFurtherThrottleSchema(PlanThrottleSchema):
    """The rate of requests of each subject, of one event type, or of both."""

    scope = serializers.ChoiceField(choices=[scope.value for scope in LimitScope])
    event_type = serializers.CharField(allow_null=True)


class PlanQuotaSchema(serializers.Serializer[Any]):
    """The usage that the plan allows in a period."""

    meter = serializers.CharField()
    unit = serializers.CharField()
    period = serializers.ChoiceField(choices=[period.value for period in Period])
    scope = serializers.ChoiceField(
        choices=[scope.value for scope in LimitScope], help_text="Whose usage counts: the tenant's, or each subject's."
    )
    limit = serializers.DecimalField(max_digits=20, decimal_places=9)
    is_hard = serializers.BooleanField(
        help_text="Usage over a hard quota is refused; usage over a soft quota is billed."
    )


class PlanLimitsSchema(serializers.Serializer[Any]):
    """The limits that come with a plan."""

    throttle = PlanThrottleSchema(allow_null=True)
    throttles = PlanFurtherThrottleSchema(many=True)
    quotas = PlanQuotaSchema(many=True)


class PlanSchema(serializers.Serializer[Any]):
    """A plan for sale."""

    code = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    version = serializers.IntegerField()
    trial_days = serializers.IntegerField()
    limits = PlanLimitsSchema()
    fee = AmountSchema(help_text="The fee for each billing period, charged in advance.")
    prices = PriceSchema(many=True, help_text="The prices of usage, charged at the end of the period.")


class PlanListSchema(serializers.Serializer[Any]):
    """All plans, on one page."""

    data = PlanSchema(many=True)  # type: ignore[assignment] # the contract's name; DRF takes declared fields off the class
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)


class PlansView(ApiView):
    """The list."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.BILLING_READ}

    @extend_schema(
        operation_id="list_plans",
        tags=["Plans"],
        summary="List the plans for sale",
        parameters=[TENANT_PARAMETER],
        responses={200: PlanListSchema, **problems(404, 422)},
    )
    def get(self, request: Request) -> Response:
        """List the public plans that are sold in the tenant's currency, in the order of the pricing page."""
        currency = tenant_of(request).currency
        return Response(
            {"data": [_plan(listed, currency) for listed in price_list(currency)], "next": None, "previous": None}
        )


def _plan(listed: ListedPlan, currency: str) -> dict[str, object]:
    version = listed.version
    fee = version.fee(currency)
    assert fee is not None, "the list is of what is sold in the currency"
    return {
        "code": version.plan_code,
        "name": version.plan_name,
        "description": listed.plan.description,
        "version": version.number,
        "trial_days": version.trial_days,
        "limits": _limits(listed.usage_plan),
        "fee": {"amount_minor": round_to_minor(fee_amount(fee), currency), "currency": currency},
        "prices": [_price(price) for price in version.usage_prices(currency)],
    }


def _limits(usage_plan: UsagePlan) -> dict[str, object]:
    rate, burst = usage_plan.throttle_rate, usage_plan.throttle_burst
    return {
        "throttle": None if rate is None else {"rate": rate, "burst": burst},
        "throttles": [
            {
                "scope": row.scope,
                "event_type": None if row.event_type is None else row.event_type.code,
                "rate": row.rate,
                "burst": row.burst,
            }
            for row in usage_plan.throttles.all()
        ],
        "quotas": [
            {
                "meter": quota.meter.code,
                "unit": quota.meter.unit,
                "period": quota.period,
                "scope": quota.scope,
                "limit": quota.limit,
                "is_hard": quota.is_hard,
            }
            for quota in usage_plan.quotas.all()
        ],
    }


def _price(price: SoldPrice) -> dict[str, object]:
    return {
        "meter": price.meter_code,
        "name": price.meter_name,
        "unit": price.unit,
        "model": MODEL_OF[type(price.terms)].value,
        "terms": write_terms(price.terms),
    }
