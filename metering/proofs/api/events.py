"""`/events` with `?receipt=1`: the outcome and a signed receipt."""

from collections.abc import Sequence
from datetime import datetime

from rest_framework.request import Request

from accounts.api.authentication import principal_of
from accounts.domain.reach import within_tenant
from metering.api.events import EventsView
from metering.api.events_schema import RECEIPT
from metering.api.parameters import flag_of
from metering.errors import EventRefusedError
from metering.proofs.domain.statements import half_name, instant_text
from metering.proofs.services.receipts import Receipt, issue_receipt
from metering.selectors.limits import ledger_of
from metering.services.reports import ReportOutcome, TenantReport


class ReceiptedEventsView(EventsView):
    """`POST /events` and `GET /events`. Without `?receipt=1` nothing is added to what `EventsView` does."""

    def check_reports(self, request: Request, reports: Sequence[TenantReport]) -> None:
        """Check that a receipt is asked for about one tenant. Raises 422."""
        if flag_of(request, RECEIPT) and len(reports) > 1:
            raise EventRefusedError("A receipt is about one tenant.", code="receipt_of_several_tenants")

    def members_beside(
        self, request: Request, reports: Sequence[TenantReport], outcome: ReportOutcome, as_of: datetime
    ) -> dict[str, object]:
        """Return the receipt if one is asked for, of the events that are stored now, new or known."""
        if not flag_of(request, RECEIPT):
            return {}
        [report] = reports
        refused = {rejection.index for rejection in outcome.rejected}
        events = [event for event in report.events if event.index not in refused]
        with within_tenant(report.tenant.id):
            receipt = issue_receipt(ledger=ledger_of(principal_of(request), report.tenant), events=events, as_of=as_of)
        return {RECEIPT: receipt_body(receipt)}


def receipt_body(receipt: Receipt) -> dict[str, object]:
    """Return a receipt in the form of the contract."""
    statement = receipt.statement
    return {
        "tenant": str(statement.tenant_id),
        "ledger": half_name(is_live=statement.is_live),
        "key": statement.key_id,
        "signed": instant_text(statement.signed_at),
        "leaves": [
            {"id": event.id, "source": event.source or None, "day": day.isoformat(), "leaf": leaf.hex()}
            for event, (day, leaf) in zip(receipt.events, statement.leaves, strict=True)
        ],
        "signature": receipt.signature.hex(),
    }
