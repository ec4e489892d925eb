"""`POST /operator/aggregate`: run the nightly comparison of usage with the ledger now.

Usage is always current, since it is counted in the transaction that stores an event. So there is nothing to aggregate:
the call checks that every rollup equals the ledger.
"""

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
from metering.services.nightly import run_reconciliation

TENANTS_MAX: Final = 100
DRIFTS_SHOWN_MAX: Final = 100


class TenantsInput(StrictSerializer):
    """The tenants to check; all, if none is named."""

    tenants = BoundedListField(
        child=TextField(max_length=50),
        required=False,
        allow_empty=False,
        max_length=TENANTS_MAX,
        help_text="The slugs of the tenants.",
    )


class AggregateSchema(serializers.Serializer[Any]):
    """The result of the comparison of usage with the ledger."""

    checked_at = serializers.DateTimeField()
    ledgers = serializers.IntegerField(help_text="A tenant has two: live and test.")
    drift_count = serializers.IntegerField()
    drifts = serializers.ListField(child=serializers.CharField(), help_text=f"The first {DRIFTS_SHOWN_MAX}.")


class OperatorAggregateView(OperatorView):
    """`POST /operator/aggregate`."""

    @extend_schema(
        operation_id="run_aggregation",
        tags=["Operations"],
        summary="Run the comparison of usage with the ledger",
        parameters=[IDEMPOTENCY_PARAMETER],
        request=TenantsInput,
        responses={200: AggregateSchema, **problems(*BODY_STATUSES, 409)},
    )
    @idempotent()
    def post(self, request: Request) -> Response:
        """Compare each hour and day of usage with the events.

        Nothing is changed: usage is current without this call.
        """
        slugs = sorted(tenants_named(slugs_of(request)))
        as_of = timezone.now()
        found = run_reconciliation(started_by=actor_of(request).label, slugs=slugs or None, as_of=as_of)
        return Response(
            {
                "checked_at": as_of,
                "ledgers": found.ledgers,
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
