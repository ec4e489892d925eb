"""`/budgets`: a tenant's limits on its own usage or spend."""

from typing import Any, ClassVar
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import actor_of
from accounts.api.fields import BoundedListField, QuantityField, StrictSerializer, TextField, WholeNumberField
from accounts.api.idempotency import idempotent
from accounts.api.pagination import PAGE_PARAMETERS, read_page
from accounts.api.parsers import body_object
from accounts.api.schema import BODY_STATUSES, IDEMPOTENCY_PARAMETER, TENANT_PARAMETER, problems
from accounts.api.tenancy import live_tenant_of, require_active
from accounts.api.views import ApiView
from accounts.domain.scopes import Scope
from accounts.selectors.tenants import tenant_by_id
from metering.domain.budgets import (
    PERCENT_MAX,
    SCOPE_ID_CHARACTERS_MAX,
    THRESHOLDS_DEFAULT,
    THRESHOLDS_MAX,
    BudgetScope,
    BudgetTerms,
)
from metering.domain.periods import Period
from metering.models import Budget
from metering.selectors.budgets import budget_of_tenant, budgets_page, limit_name_of
from metering.services.budgets import change_budget, create_budget, delete_budget

METER_CHARACTERS_MAX = 100
CURRENCY_CHARACTERS = 3


def _thresholds_field() -> BoundedListField:
    return BoundedListField(
        child=WholeNumberField(min_value=1, max_value=PERCENT_MAX),
        max_length=THRESHOLDS_MAX,
        required=False,
        help_text=f"Percentages of the limit at which there is an alert. Default: {list(THRESHOLDS_DEFAULT)}.",
    )


class BudgetInput(StrictSerializer):
    """A new budget."""

    scope = serializers.ChoiceField(choices=[one.value for one in BudgetScope])
    scope_id = TextField(
        max_length=SCOPE_ID_CHARACTERS_MAX,
        required=False,
        allow_null=True,
        help_text="The id or the first 12 characters of a key, or a subject. Left out for the whole tenant.",
    )
    meter = TextField(max_length=METER_CHARACTERS_MAX, required=False, allow_null=True, help_text="A meter's code.")
    currency = TextField(
        max_length=CURRENCY_CHARACTERS, required=False, allow_null=True, help_text="ISO 4217, instead of a meter."
    )
    limit = QuantityField(help_text="In units of the meter, or in minor units of the currency.")
    period = serializers.ChoiceField(choices=[one.value for one in Period])
    thresholds = _thresholds_field()
    stop = serializers.BooleanField(required=False, default=False, help_text="Refuse requests beyond the limit.")
    is_paused = serializers.BooleanField(required=False, default=False)


class BudgetChangeInput(StrictSerializer):
    """What changes; anything that is left out stays."""

    limit = QuantityField(required=False)
    thresholds = _thresholds_field()
    stop = serializers.BooleanField(required=False)
    is_paused = serializers.BooleanField(required=False, help_text="A paused budget neither alerts nor stops.")


class BudgetSchema(serializers.Serializer[Any]):
    """A budget."""

    id = serializers.UUIDField()
    scope = serializers.ChoiceField(choices=[one.value for one in BudgetScope])
    scope_id = serializers.CharField(
        allow_null=True, help_text="A key's first id, which its successors by rotation share, or a subject."
    )
    meter = serializers.CharField(allow_null=True)
    currency = serializers.CharField(allow_null=True)
    limit = serializers.DecimalField(
        max_digits=20, decimal_places=9, help_text="In units of the meter, or in minor units of the currency."
    )
    period = serializers.ChoiceField(choices=[one.value for one in Period])
    thresholds = serializers.ListField(child=serializers.IntegerField(min_value=1, max_value=PERCENT_MAX))
    stop = serializers.BooleanField()
    is_paused = serializers.BooleanField()
    name = serializers.CharField(help_text="The name of the limit in `limits`, headers and refusals.")
    stopped_until = serializers.DateTimeField(
        allow_null=True, help_text="Until when a budget in money refuses requests, since it was exceeded."
    )
    created_at = serializers.DateTimeField()


class BudgetPageSchema(serializers.Serializer[Any]):
    """A page of budgets."""

    data = BudgetSchema(many=True)  # type: ignore[assignment] # the contract's name; DRF takes declared fields off the class
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)


def present_budget(budget: Budget) -> dict[str, object]:
    """Return a budget as the API shows it."""
    return {
        "id": budget.pk,
        "scope": budget.scope,
        "scope_id": budget.scope_id or None,
        "meter": budget.meter.code if budget.meter else None,
        "currency": budget.currency or None,
        "limit": budget.limit,
        "period": budget.period,
        "thresholds": budget.thresholds,
        "stop": budget.does_stop,
        "is_paused": budget.is_paused,
        "name": limit_name_of(budget),
        "stopped_until": budget.stopped_until_at,
        "created_at": budget.created_at,
    }


def _budget(request: Request, budget_id: UUID) -> Budget:
    return budget_of_tenant(tenant_id=live_tenant_of(request).id, budget_id=budget_id)


class BudgetsView(ApiView):
    """List and create budgets."""

    scopes: ClassVar = {"GET": Scope.BILLING_READ, "POST": Scope.KEYS_MANAGE}

    @extend_schema(
        operation_id="list_budgets",
        tags=["Budgets"],
        summary="List budgets",
        parameters=[*PAGE_PARAMETERS, TENANT_PARAMETER],
        responses={200: BudgetPageSchema, **problems(404, 422)},
    )
    def get(self, request: Request) -> Response:
        """List the tenant's budgets, newest first."""
        tenant = live_tenant_of(request)
        return Response(
            read_page(request, lambda page: budgets_page(tenant_id=tenant.id, request=page), present_budget)
        )

    @extend_schema(
        operation_id="create_budget",
        tags=["Budgets"],
        summary="Create a budget",
        parameters=[IDEMPOTENCY_PARAMETER, TENANT_PARAMETER],
        request=BudgetInput,
        responses={201: BudgetSchema, **problems(*BODY_STATUSES, 402, 404, 409)},
    )
    @idempotent()
    def post(self, request: Request) -> Response:
        """Create a budget. With `stop`, requests beyond it are refused with 429 `budget_exceeded`."""
        tenant = live_tenant_of(request)
        require_active(tenant)
        given = BudgetInput(data=body_object(request))
        given.is_valid(raise_exception=True)
        sent = given.validated_data
        terms = BudgetTerms(
            scope=BudgetScope(sent["scope"]),
            period=Period(sent["period"]),
            limit=sent["limit"],
            scope_id=sent.get("scope_id") or "",
            meter_code=sent.get("meter") or "",
            currency=sent.get("currency") or "",
            thresholds=tuple(sent.get("thresholds", THRESHOLDS_DEFAULT)),
            does_stop=sent["stop"],
            is_paused=sent["is_paused"],
        )
        budget = create_budget(
            tenant=tenant_by_id(tenant.id), terms=terms, actor=actor_of(request), as_of=timezone.now()
        )
        return Response(present_budget(budget), status.HTTP_201_CREATED)


class BudgetView(ApiView):
    """One budget."""

    scopes: ClassVar = {"GET": Scope.BILLING_READ, "PATCH": Scope.KEYS_MANAGE, "DELETE": Scope.KEYS_MANAGE}

    @extend_schema(
        operation_id="retrieve_budget",
        tags=["Budgets"],
        summary="Retrieve a budget",
        parameters=[TENANT_PARAMETER],
        responses={200: BudgetSchema, **problems(404, 422)},
    )
    def get(self, request: Request, budget_id: UUID) -> Response:
        """Return one budget."""
        return Response(present_budget(_budget(request, budget_id)))

    @extend_schema(
        operation_id="update_budget",
        tags=["Budgets"],
        summary="Update a budget",
        parameters=[TENANT_PARAMETER],
        request=BudgetChangeInput,
        responses={200: BudgetSchema, **problems(*BODY_STATUSES, 404, 409)},
    )
    def patch(self, request: Request, budget_id: UUID) -> Response:
        """Raise or lower a budget, change its thresholds or stop, pause or resume it. Applies within a second."""
        budget = _budget(request, budget_id)
        given = BudgetChangeInput(data=body_object(request))
        given.is_valid(raise_exception=True)
        names = {"stop": "does_stop"}
        wanted = {names.get(name, name): value for name, value in given.validated_data.items()}
        if "thresholds" in wanted:
            wanted["thresholds"] = tuple(wanted["thresholds"])
        return Response(
            present_budget(change_budget(budget=budget, actor=actor_of(request), as_of=timezone.now(), **wanted))
        )

    @extend_schema(
        operation_id="delete_budget",
        tags=["Budgets"],
        summary="Delete a budget",
        parameters=[TENANT_PARAMETER],
        responses={204: None, **problems(404, 422)},
    )
    def delete(self, request: Request, budget_id: UUID) -> Response:
        """Delete a budget. Its alerts stay."""
        delete_budget(budget=_budget(request, budget_id), actor=actor_of(request), as_of=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)
