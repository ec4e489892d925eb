"""`POST /operator/aggregate`: run the nightly comparison of usage with the ledger now.

Usage is always current, since it is counted in the transaction that stores an event. So there is nothing to aggregate:
the call checks that every rollup equals the ledger, and computes again those that do not, if it is asked to.
"""

from decimal import Decimal
from time import perf_counter
from typing import Any, Final

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import actor_of
from accounts.api.fields import BoundedListField, StrictSerializer, TextField
from accounts.api.idempotency import idempotent
from accounts.api.operator import OperatorView
from accounts.api.parsers import body_object
from accounts.api.schema import BODY_STATUSES, IDEMPOTENCY_PARAMETER, problems
from accounts.selectors.tenants import tenants_named
from metering.services.nightly import run_reconciliation, run_repair

TENANTS_MAX: Final = 100
DRIFTS_SHOWN_MAX: Final = 100
LEDGERS_OF_A_TENANT: Final = 2
_MILLISECOND: Final = Decimal("0.001")


def seconds_field() -> serializers.DecimalField:
    """Return the field of how long a call took."""
    return serializers.DecimalField(max_digits=12, decimal_places=3, help_text="How long it took, as a decimal string.")


def seconds_since(started: float) -> Decimal:
    """Return the seconds since a moment of `perf_counter`, to the millisecond."""
    return Decimal(perf_counter() - started).quantize(_MILLISECOND)


class TenantsInput(StrictSerializer):
    """The tenants to check; all, if none is named."""

    tenants = BoundedListField(
        child=TextField(max_length=50),
        required=False,
        allow_empty=False,
        max_length=TENANTS_MAX,
        help_text="The slugs of the tenants.",
    )


class AggregateInput(TenantsInput):
    """The tenants to check, and whether to repair what differs."""

    repair = serializers.BooleanField(
        required=False, help_text="Whether to compute the usage of a tenant that differs again. By default not."
    )


class AggregateSchema(serializers.Serializer[Any]):
    """The result of the comparison of usage with the ledger."""

    checked_at = serializers.DateTimeField()
    tenants = serializers.IntegerField(help_text="How many tenants were looked at.")
    ledgers = serializers.IntegerField(help_text="A tenant has two: live and test.")
    hours = serializers.IntegerField(help_text="How many hours of a meter were compared with the events.")
    days = serializers.IntegerField(help_text="How many days of a meter were compared with the events.")
    repaired_count = serializers.IntegerField(help_text="How many differences were repaired. 0 without `repair`.")
    seconds = seconds_field()
    drift_count = serializers.IntegerField(help_text="How many differences there are now.")
    drifts = serializers.ListField(child=serializers.CharField(), help_text=f"The first {DRIFTS_SHOWN_MAX}.")


class OperatorAggregateView(OperatorView):
    """`POST /operator/aggregate`."""

    @extend_schema(
        operation_id="run_aggregation",
        tags=["Operations"],
        summary="Run the comparison of usage with the ledger",
        parameters=[IDEMPOTENCY_PARAMETER],
        request=AggregateInput,
        responses={200: AggregateSchema, **problems(*BODY_STATUSES, 409)},
    )
    @idempotent()
    def post(self, request: Request) -> Response:
        """Compare each hour and day of usage with the events.

        Usage is current without this call. Nothing is changed, unless `repair` asks to compute again what differs.
        """
        started = perf_counter()
        given = AggregateInput(data=body_object(request))
        given.is_valid(raise_exception=True)
        slugs = sorted(tenants_named(given.validated_data.get("tenants", []))) or None
        label, as_of, repaired = actor_of(request).label, timezone.now(), 0
        if given.validated_data.get("repair"):
            found, repaired = run_repair(started_by=label, slugs=slugs, as_of=as_of)
        else:
            found = run_reconciliation(started_by=label, slugs=slugs, as_of=as_of)
        return Response(
            {
                "checked_at": as_of,
                "tenants": found.ledgers // LEDGERS_OF_A_TENANT,
                "ledgers": found.ledgers,
                "hours": found.hours,
                "days": found.days,
                "repaired_count": repaired,
                "seconds": seconds_since(started),
                "drift_count": len(found.drifts),
                "drifts": [str(drift) for drift in found.drifts[:DRIFTS_SHOWN_MAX]],
            }
        )


def slugs_of(request: Request) -> list[str]:
    """Return the slugs of the tenants that the body names. Raises 400 or 422."""
    given = TenantsInput(data=body_object(request))
    given.is_valid(raise_exception=True)
    slugs: list[str] = given.validated_data.get("tenants", [])
    return slugs
