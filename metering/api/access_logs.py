"""`POST /access-logs`: a gateway's access log. Each record becomes an event of type `http_request`."""

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.idempotency import idempotent
from accounts.api.parsers import BATCH_BYTES_MAX, RawJSONParser, body_bytes
from accounts.api.schema import BODY_STATUSES, IDEMPOTENCY_PARAMETER, TENANT_PARAMETER, problems
from accounts.api.views import ApiView
from accounts.domain.scopes import Scope
from metering.api.events_schema import BATCH_PROBLEM, AccessLogSchema, BatchOutcomeSchema
from metering.api.reporting import batch_response, report_of_tenant, store_reports
from metering.domain.access_record_input import decode_records, parse_raw_record


class AccessLogsView(ApiView):
    """`POST /access-logs`."""

    body_bytes_max = BATCH_BYTES_MAX
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.EVENTS_WRITE}
    parser_classes = [RawJSONParser]

    @extend_schema(
        operation_id="report_access_logs",
        summary="Report access-log records",
        request=AccessLogSchema,
        parameters=[IDEMPOTENCY_PARAMETER, TENANT_PARAMETER],
        responses={200: BatchOutcomeSchema, **problems(*BODY_STATUSES, 402, 404, 409), **BATCH_PROBLEM},
        tags=["Events"],
    )
    @idempotent()
    def post(self, request: Request) -> Response:
        """Report the records of a gateway's access log. The response is that to a batch of events."""
        _ = request.data
        records, as_of = decode_records(body_bytes(request)), timezone.now()
        report = report_of_tenant(request, records, parse_raw_record, as_of)
        outcome = store_reports(request, [report], as_of)
        return batch_response(request, outcome, [], "/records")
