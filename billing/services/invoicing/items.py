"""Taking single items on the invoice that has them, once."""

from collections.abc import Iterable
from uuid import UUID

from accounts.sql import as_json, fetch_all
from billing.domain.invoicing.computing import ComputedInvoice
from billing.models import Invoice

# An item that was cancelled, or that another invoice took meanwhile, is not this one's.
TAKE = """
UPDATE billing_singleitem AS s SET invoice_id = t.invoice_id
FROM jsonb_to_recordset(%(taken)s::jsonb) AS t(id uuid, invoice_id uuid, before uuid)
WHERE s.id = t.id AND s.cancelled_at IS NULL AND s.invoice_id IS NOT DISTINCT FROM t.before
RETURNING s.id
"""


def take_items(finalized: Iterable[tuple[Invoice, ComputedInvoice]]) -> None:
    """Store which invoice took which items.

    Who adds or cancels one locks the draft first (`billing.desk.services.items`), so nothing changes between the
    computation of a locked draft and this.
    """
    taken: list[dict[str, UUID | None]] = [
        {"id": one.item_id, "invoice_id": invoice.pk, "before": one.last_taken_by}
        for invoice, computed in finalized
        for one in computed.state.items
    ]
    if taken:
        done = fetch_all(TAKE, {"taken": as_json(taken)})
        assert len(done) == len(taken), "the draft is locked"
