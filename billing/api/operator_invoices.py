"""`POST /operator/invoices`: run invoicing now, for all tenants or one, or preview a run."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import actor_of
from accounts.api.fields import StrictSerializer, TextField
from accounts.api.idempotency import idempotent
from accounts.api.operator import OperatorView
from accounts.api.parsers import body_object
from accounts.api.schema import BODY_STATUSES, IDEMPOTENCY_PARAMETER, problems
from accounts.errors import FieldError, InvalidFieldsError
from accounts.selectors.tenants import tenant_by_slug
from billing.domain.invoicing.computing import ComputedInvoice
from billing.domain.statuses import InvoiceStatus
from billing.selectors.invoicing.computation import Computation, Unbillable
from billing.selectors.invoicing.due import Due
from billing.selectors.invoicing.run_invoices import invoices_with_line_counts, slugs_of
from billing.services.invoicing.running import InvoicingRun, computed_only, plan_invoices, run_invoicing_job
from metering.domain.periods import YearMonth

ROWS_MAX: Final = 500


class InvoicingInput(StrictSerializer):
    """The month and the tenants to invoice."""

    period = TextField(
        max_length=7, help_text="The month to invoice, as in 2026-10. Everything that was due by its end is included."
    )
    tenant = TextField(required=False, max_length=50, help_text="The tenant's slug. Default: all tenants.")
    dry_run = serializers.BooleanField(
        required=False, default=False, help_text="Compute and return the invoices, but store nothing."
    )


class InvoicedPeriodSchema(serializers.Serializer[Any]):
    """A span of time: `start` is part of it, `end` is not."""

    start = serializers.DateTimeField()
    end = serializers.DateTimeField()


class RunInvoiceSchema(serializers.Serializer[Any]):
    """An invoice that a run drafted, finalized or computed."""

    tenant = serializers.CharField()
    number = serializers.CharField(allow_null=True, help_text="Null for a draft and in a dry run.")
    subscription = serializers.UUIDField()
    period = InvoicedPeriodSchema()
    currency = serializers.CharField()
    lines = serializers.IntegerField()
    subtotal_minor = serializers.IntegerField()
    tax_minor = serializers.IntegerField()
    total_minor = serializers.IntegerField()


class ParkedSchema(serializers.Serializer[Any]):
    """A subscription that was not invoiced because staff have to review it."""

    tenant = serializers.CharField()
    subscription = serializers.UUIDField()
    code = serializers.CharField()
    detail = serializers.CharField()


class InvoicingRunSchema(serializers.Serializer[Any]):
    """The result of a run, or of a dry run."""

    period = serializers.CharField()
    dry_run = serializers.BooleanField()
    drafted = serializers.IntegerField()
    finalized = serializers.IntegerField()
    parked = ParkedSchema(many=True)
    invoices = RunInvoiceSchema(many=True)
    invoices_omitted = serializers.IntegerField(
        help_text=f"How many more there are than the {ROWS_MAX} that are shown."
    )


class OperatorInvoicesView(OperatorView):
    """A run of invoicing."""

    @extend_schema(
        operation_id="run_invoicing",
        tags=["Operations"],
        summary="Run invoicing",
        parameters=[IDEMPOTENCY_PARAMETER],
        request=InvoicingInput,
        responses={200: InvoicingRunSchema, **problems(*BODY_STATUSES, 404, 409)},
    )
    @idempotent()
    def post(self, request: Request) -> Response:
        """Draft and finalize all invoices that are due. Safe to repeat: a period that was invoiced is skipped."""
        given = InvoicingInput(data=body_object(request))
        given.is_valid(raise_exception=True)
        as_of = timezone.now()
        month = _month_of(given.validated_data["period"], YearMonth.of(as_of.date()))
        slug = given.validated_data.get("tenant")
        due = Due(tenant_ids=None if slug is None else (tenant_by_slug(slug).pk,), month=month)
        is_dry = given.validated_data["dry_run"]
        if is_dry:
            answer = _planned(plan_invoices(as_of=as_of, due=due))
        else:
            _, run = run_invoicing_job(started_by=actor_of(request).label, as_of=as_of, due=due)
            answer = _done(run)
        return Response({"period": month.isoformat(), "dry_run": is_dry, **answer})


def _month_of(text: str, running: YearMonth) -> YearMonth:
    """Read the period. Raises 422 also for a month that has not begun."""
    month = YearMonth.parse(text)
    if month is not None and month <= running:
        return month
    if month is None:
        refusal = FieldError("/period", "invalid_period", "A month as in 2026-10.")
    else:
        refusal = FieldError("/period", "future_period", "The month has not begun.")
    raise InvalidFieldsError(refusal.detail, field_errors=(refusal,))


def _planned(planned: Sequence[Computation]) -> dict[str, object]:
    computed = computed_only(planned)
    parked = [found for found in planned if isinstance(found, Unbillable)]
    slugs = slugs_of(found.state.tenant_id for found in planned)
    return {
        "drafted": 0,
        "finalized": 0,
        "parked": _parked(parked, slugs),
        "invoices": [_computed_row(invoice, slugs) for invoice in computed[:ROWS_MAX]],
        "invoices_omitted": max(0, len(computed) - ROWS_MAX),
    }


def _done(run: InvoicingRun) -> dict[str, object]:
    shown = list(run.invoice_ids)[:ROWS_MAX]
    return {
        "drafted": run.drafted,
        "finalized": run.finalized,
        "parked": _parked(run.parked, slugs_of(found.state.tenant_id for found in run.parked)),
        "invoices": [_stored_row(invoice) for invoice in invoices_with_line_counts(shown)],
        "invoices_omitted": len(run.invoice_ids) - len(shown),
    }


def _parked(parked: Sequence[Unbillable], slugs: dict[UUID, str]) -> list[dict[str, object]]:
    return [
        {
            "tenant": slugs[found.state.tenant_id],
            "subscription": found.state.subscription_id,
            "code": found.code,
            "detail": found.detail,
        }
        for found in parked[:ROWS_MAX]
    ]


def _computed_row(invoice: ComputedInvoice, slugs: dict[UUID, str]) -> dict[str, object]:
    state = invoice.state
    return {
        "tenant": slugs[state.tenant_id],
        "number": None,
        "subscription": state.subscription_id,
        "period": {"start": state.covered.start, "end": state.covered.end},
        "currency": state.currency,
        "lines": len(invoice.lines),
        "subtotal_minor": invoice.subtotal_minor,
        "tax_minor": invoice.tax_minor,
        "total_minor": invoice.total_minor,
    }


def _stored_row(invoice: Any) -> dict[str, object]:
    return {
        "tenant": invoice.tenant.slug,
        "number": None if invoice.status == InvoiceStatus.DRAFT else invoice.number,
        "subscription": invoice.subscription_id,
        "period": {"start": invoice.period_start, "end": invoice.period_end},
        "currency": invoice.currency,
        "lines": invoice.line_count,
        "subtotal_minor": invoice.subtotal_minor,
        "tax_minor": invoice.tax_minor,
        "total_minor": invoice.total_minor,
    }
