"""`GET /invoices/{number}/evidence`: all that is needed to compute an invoice again elsewhere."""

from typing import ClassVar, Final

from django.http import StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from accounts.api.renderers import ExactJSONRenderer
from accounts.api.schema import TENANT_PARAMETER, problems
from accounts.api.tenancy import live_tenant_of
from accounts.api.views import ApiView
from accounts.domain.scopes import Scope
from billing.api.invoices import NUMBER_PARAMETER, TAGS
from billing.evidence.domain.bundle import EventsShown
from billing.evidence.services.bundles import evidence_of
from billing.models import Invoice
from billing.selectors.invoicing.invoices import issued_invoice
from metering.api.parameters import refuse

EVIDENCE: Final = "application/vnd.countinghouse.evidence"
EVENTS: Final = "events"
EVENTS_PARAMETER = OpenApiParameter(
    EVENTS,
    str,
    enum=[shown.value for shown in EventsShown],
    description="`full`, the default: the events themselves. `hashes`: their leaves alone, which show nothing of them; "
    "then quantities cannot be computed again.",
)


class EvidenceRenderer(BaseRenderer):
    """Accept requests for evidence. The view streams the bundle itself."""

    media_type = EVIDENCE
    format = "evidence"
    charset = None


class EvidenceView(ApiView):
    """`GET /invoices/{number}/evidence`."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.BILLING_READ}
    renderer_classes = [EvidenceRenderer, ExactJSONRenderer]

    @extend_schema(
        operation_id="retrieve_invoice_evidence",
        tags=TAGS,
        summary="Retrieve the evidence of an invoice",
        parameters=[NUMBER_PARAMETER, EVENTS_PARAMETER, TENANT_PARAMETER],
        responses={
            (200, EVIDENCE): OpenApiResponse(
                OpenApiTypes.BINARY, description="The bundle, a JSON object. The page on evidence says what it holds."
            ),
            **problems(404, 410, 422),
        },
    )
    def get(self, request: Request, number: str) -> StreamingHttpResponse:
        """Retrieve all that an invoice was computed from, with the proofs of its events.

        `verify_invoice.py` computes every amount from it without this server: see the page on evidence.
        """
        invoice = issued_invoice(tenant_id=live_tenant_of(request).id, number=number)
        named = request.query_params.get(EVENTS) or EventsShown.FULL
        if named not in set(EventsShown):
            refuse(EVENTS, "invalid_events", f"One of: {', '.join(EventsShown)}.")
        return evidence_response(invoice, EventsShown(named))


def evidence_response(invoice: Invoice, shown: EventsShown) -> StreamingHttpResponse:
    """Return the bundle as a file. Raises what `evidence_of` raises."""
    parts = evidence_of(invoice=invoice, shown=shown, as_of=timezone.now())
    response = StreamingHttpResponse(parts, content_type=EVIDENCE)
    response["Content-Disposition"] = f'attachment; filename="{invoice.number}-evidence.json"'
    response["Cache-Control"] = "private, no-store"
    return response
