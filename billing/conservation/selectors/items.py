"""Single items with all lines of documents that took them, read without the code that takes them."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID

from accounts.sql import fetch_all
from billing.conservation.domain.items import ItemLife, LostItem, TakenItem, lost_items

ITEMS: Final = """
SELECT s.id::text, s.description, s.quantity, s.unit_price, s.currency, s.created_at, s.cancelled_at,
    coalesce(l.number, ''), l.computed_at
FROM billing_singleitem AS s LEFT JOIN LATERAL (
    SELECT i.number, i.computed_at FROM billing_invoice AS i
    WHERE i.subscription_id = s.subscription_id AND i.boundary IS NOT NULL AND i.finalized_at IS NOT NULL
    ORDER BY i.boundary DESC LIMIT 1
) AS l ON true
WHERE s.subscription_id = ANY(%(ids)s::uuid[])
"""
# An invoice that was issued again counts until the last document in its place does not.
LINES: Final = """
SELECT l.explanation ->> 'item', i.number, l.amount_minor, g.gone_at, l.tax_category, l.tax_percent,
    s.id IS NOT NULL AND s.subscription_id = i.subscription_id AND s.currency = i.currency
FROM billing_invoiceline AS l JOIN billing_invoice AS i ON i.id = l.invoice_id AND i.revision = l.revision
LEFT JOIN billing_singleitem AS s ON s.id::text = l.explanation ->> 'item'
CROSS JOIN LATERAL (
    SELECT CASE WHEN bool_and(d.gone_at IS NOT NULL) THEN max(d.gone_at) END AS gone_at FROM (
        SELECT least(p.voided_at, n.issued_at) AS gone_at
        FROM billing_invoice AS p LEFT JOIN billing_creditnote AS n ON n.invoice_id = p.id
        WHERE (p.id = i.id OR p.original_id = i.id) AND p.finalized_at IS NOT NULL
    ) AS d
) AS g
WHERE i.subscription_id = ANY(%(ids)s::uuid[]) AND i.boundary IS NOT NULL AND i.finalized_at IS NOT NULL
    AND l.kind = 'one_off'
ORDER BY i.boundary, l.position
"""


def items_out_of_place(subscription_ids: Sequence[UUID]) -> list[LostItem]:
    """Return the single items of subscriptions that are misplaced, and lines that belong to none."""
    return list(_lost([str(pk) for pk in subscription_ids]))


def _lost(ids: Sequence[str]) -> Iterator[LostItem]:
    lines: dict[str, list[TakenItem]] = defaultdict(list)
    for item_id, number, amount_minor, gone_at, category, percent, is_known in fetch_all(LINES, {"ids": ids}):
        if not is_known:
            yield LostItem(number, "It has a single item that staff did not enter for its subscription.")
        lines[item_id].append(TakenItem(number, amount_minor, gone_at, (category, percent)))
    for item_id, named, quantity, price, currency, created_at, cancelled_at, number, at in fetch_all(
        ITEMS, {"ids": ids}
    ):
        entered = named, quantity, price, currency, created_at, cancelled_at
        yield from lost_items(ItemLife(*entered, latest_number=number, latest_at=at, lines=lines[item_id]))
