"""`GET /subscription`, and `POST /subscription/preview`: the next invoice under a plan, with nothing changed."""

from datetime import datetime
from typing import Any, ClassVar, Final
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.fields import InstantField, StrictSerializer, TextField
from accounts.api.parsers import body_object
from accounts.api.schema import BODY_STATUSES, TENANT_PARAMETER, problems
from accounts.api.tenancy import live_tenant_of
from accounts.api.views import ApiView
from accounts.domain.scopes import Scope
from accounts.errors import NotFoundError
from billing.api.presentation import (
    BillingSpanSchema,
    NextInvoiceSchema,
    PlanNameSchema,
    next_invoice,
    sold_plan_name,
)
from billing.domain.statuses import LIVE_STATUSES
from billing.errors import SubscriptionStatusError, UnbillableError
from billing.models import Subscription
from billing.selectors.facts import facts_of_subscription
from billing.selectors.invoicing.preview import preview_end, preview_under_plan, project_next_invoice
from billing.selectors.subscriptions.current import current_subscription

NOW: Final = "now"
PERIOD_END: Final = "period_end"


@extend_schema_field({"oneOf": [{"type": "string"}, {"type": "integer"}]})
class MomentField(InstantField):
    """A time, or `now`, or `period_end`, which is read as None."""

    default_error_messages: ClassVar = {
        "invalid_type": "`now`, `period_end`, or a time.",
        "invalid_time": "`now`, `period_end`, or a time such as 2026-11-21T09:30:00Z, with its offset.",
    }

    def to_internal_value(self, value: Any) -> Any:
        """Return `now` and `period_end` unchanged, and parse other values as a time."""
        return value if value in (NOW, PERIOD_END) else super().to_internal_value(value)


class PreviewInput(StrictSerializer):
    """The change to preview."""

    plan = TextField(
        max_length=50, allow_null=True, help_text="The code of the plan to change to; null to cancel the subscription."
    )
    at = MomentField(
        required=False,
        help_text="When the change takes effect: `now`, `period_end`, or a time between the two. Default: `now`.",
    )
    tenant = TextField(required=False, max_length=50, help_text="The tenant's slug. Required with a service key.")


class SubscriptionSchema(serializers.Serializer[Any]):
    """A live subscription."""

    id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=sorted(status.value for status in LIVE_STATUSES))
    plan = PlanNameSchema()
    currency = serializers.CharField()
    time_zone = serializers.CharField(help_text="The time zone in which billing days begin and end.")
    started_at = serializers.DateTimeField()
    anchor_at = serializers.DateTimeField(help_text="The start of the first paid period.")
    trial_ends_at = serializers.DateTimeField(allow_null=True, help_text="Null if the subscription has no trial.")
    period = BillingSpanSchema(help_text="The current billing period.")
    pending_plan = PlanNameSchema(
        allow_null=True, help_text="The plan that begins with the next period; null if no change is scheduled."
    )
    cancel_at_period_end = serializers.BooleanField()
    ended_at = serializers.DateTimeField(allow_null=True, help_text="Null while the subscription is live.")
    next_invoice = NextInvoiceSchema(
        allow_null=True,
        help_text="The next invoice, with usage projected to the period's end; null while staff have to review it.",
    )


class PreviewSchema(NextInvoiceSchema):
    """The next invoice under a plan, or the last one."""

    plan = PlanNameSchema(allow_null=True, help_text="Null if the subscription would be cancelled.")
    at = serializers.DateTimeField(help_text="When the plan would begin, or when the subscription would end.")


class SubscriptionView(ApiView):
    """The tenant's own."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.BILLING_READ}

    @extend_schema(
        operation_id="retrieve_subscription",
        tags=["Subscriptions"],
        summary="Retrieve the subscription",
        parameters=[TENANT_PARAMETER],
        responses={200: SubscriptionSchema, **problems(404, 422)},
    )
    def get(self, request: Request) -> Response:
        """Retrieve the tenant's live subscription with a forecast of the next invoice. 404 if there is none."""
        subscription = current_subscription(live_tenant_of(request).id)
        if subscription is None:
            raise NotFoundError("There is no subscription.")
        return Response(_described(subscription, timezone.now()))


class PreviewView(ApiView):
    """A question, though it is asked with a body."""

    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.BILLING_READ}

    @extend_schema(
        operation_id="preview_subscription",
        tags=["Subscriptions"],
        summary="Preview the next invoice under a plan",
        parameters=[TENANT_PARAMETER],
        request=PreviewInput,
        responses={200: PreviewSchema, **problems(*BODY_STATUSES, 404, 409)},
    )
    def post(self, request: Request) -> Response:
        """Compute the next invoice as if the plan held from `at` on, or the last one as if the subscription ended then.

        The same computation as the real one; nothing is changed.
        """
        given = PreviewInput(data=body_object(request))
        given.is_valid(raise_exception=True)
        fields = given.validated_data
        tenant = live_tenant_of(request, fields.get("tenant"))
        as_of = timezone.now()
        named = fields.get("at", NOW)
        at: datetime | None = {NOW: as_of, PERIOD_END: None}.get(named, named)
        if fields["plan"] is None:
            return Response(_ended(tenant.id, at, as_of))
        version, computed = preview_under_plan(tenant_id=tenant.id, plan_code=fields["plan"], at=at, as_of=as_of)
        begins_at = computed.state.closes_at if at is None else at
        return Response({"plan": sold_plan_name(version), "at": begins_at, **next_invoice(computed)})


def _described(subscription: Subscription, as_of: datetime) -> dict[str, object]:
    return {**facts_of_subscription(subscription).as_body(), "next_invoice": _projected(subscription, as_of)}


def _ended(tenant_id: UUID, at: datetime | None, as_of: datetime) -> dict[str, object]:
    subscription = current_subscription(tenant_id)
    if subscription is None:
        raise NotFoundError("There is no subscription.")
    computed = preview_end(subscription=subscription, at=at, as_of=as_of)
    if computed is None:
        raise SubscriptionStatusError("A trial ends without an invoice.")
    return {"plan": None, "at": computed.state.closes_at, **next_invoice(computed)}


def _projected(subscription: Subscription, as_of: datetime) -> dict[str, object] | None:
    try:
        return next_invoice(project_next_invoice(subscription=subscription, as_of=as_of))
    except UnbillableError:
        return None
