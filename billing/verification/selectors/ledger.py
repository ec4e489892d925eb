"""Mismatches between the ledger of accounts and the documents: of some invoices, and of all books."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from accounts.sql import fetch_all
from billing.ledger.selectors.months import changed_months
from billing.verification.domain.batch import Untied

# What an invoice should have posted, by itself and with all that followed it. A document is posted on its own day, or
# when the month of that is closed, on the first day that is open: so nothing lowers a month that is over.
# Each entry's postings are summed in a LATERAL: after five batches PostgreSQL plans for any number of ids and expects
# ten, and would join the postings of all entries to each.
DOCUMENTS: Final = """
WITH chosen AS (
    SELECT i.id, i.number, i.tenant_id, i.currency, i.status, i.total_minor, i.tax_minor,
        CASE WHEN i.status IN ('finalized', 'uncollectible')
            THEN i.total_minor - i.amount_paid_minor - i.credited_minor ELSE 0 END AS owed,
        (SELECT coalesce(sum(l.amount_minor), 0) FROM billing_invoiceline AS l
            WHERE l.invoice_id = i.id AND l.revision = i.revision AND l.kind = 'carry') AS carried
    FROM billing_invoice AS i WHERE i.id = ANY(%(ids)s)
), own AS (
    SELECT c.id, e.id AS entry_id, e.tenant_id = c.tenant_id AND e.currency = c.currency AS is_own,
        posted.owed, posted.tax, posted.carried
    FROM chosen AS c LEFT JOIN ledger_journalentry AS e ON e.kind = 'invoice' AND e.source = c.id::text
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'receivable'), 0) AS owed,
            -coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'tax'), 0) AS tax,
            -coalesce(sum(p.amount_minor) FILTER (WHERE p.account = 'credit'), 0) AS carried
        FROM ledger_posting AS p WHERE p.entry_id = e.id
    ) AS posted
), days AS (
    SELECT c.number, 'invoice' AS kind, c.id::text AS source, i.issued_on AS day, i.finalized_at AS at
    FROM chosen AS c JOIN billing_invoice AS i ON i.id = c.id
    UNION ALL
    SELECT n.number, 'credit_note', n.id::text, n.issued_on, n.issued_at
    FROM chosen AS c JOIN billing_creditnote AS n ON n.invoice_id = c.id OR n.part_of_id = c.id
    UNION ALL
    SELECT c.number, 'void', c.id::text, NULL, i.voided_at
    FROM chosen AS c JOIN billing_invoice AS i ON i.id = c.id WHERE i.status = 'void'
), paid AS (
    SELECT m.invoice_id, m.id, m.status, m.amount_minor, e.id AS entry_id,
        (SELECT coalesce(sum(p.amount_minor), 0) FROM ledger_posting AS p
            WHERE p.entry_id = e.id AND p.account = 'clearing') AS received
    FROM billing_payment AS m LEFT JOIN ledger_journalentry AS e ON e.kind = 'payment' AND e.source = m.id::text
    WHERE m.invoice_id = ANY(%(ids)s) AND m.status <> 'failed'
)
SELECT c.number, 'It is not posted to the ledger of accounts.' FROM chosen AS c JOIN own AS o USING (id)
WHERE o.entry_id IS NULL
UNION ALL
SELECT c.number, format('It is posted as %%s owed with %%s of tax and %%s carried, and says %%s, %%s and %%s.',
    o.owed, o.tax, o.carried, c.total_minor, c.tax_minor, c.carried)
FROM chosen AS c JOIN own AS o USING (id)
WHERE o.entry_id IS NOT NULL
    AND ((o.owed, o.tax, o.carried) <> (c.total_minor, c.tax_minor, c.carried) OR NOT o.is_own)
UNION ALL
SELECT c.number, format('Its payment %%s over %%s is posted as %%s.', m.id, m.amount_minor, m.received)
FROM chosen AS c JOIN paid AS m ON m.invoice_id = c.id
WHERE m.entry_id IS NULL OR m.received <> m.amount_minor
UNION ALL
SELECT d.number, format('It is of %%s and posted on %%s.', coalesce(d.day, here.day), e.posted_on)
FROM days AS d JOIN ledger_journalentry AS e ON e.kind = d.kind AND e.source = d.source
CROSS JOIN LATERAL (
    SELECT (d.at AT TIME ZONE s.time_zone)::date AS day FROM billing_issuer AS s
) AS here
WHERE e.posted_on NOT IN (coalesce(d.day, here.day), here.day)
    AND (e.posted_on < here.day OR NOT EXISTS (
        SELECT FROM ledger_closedmonth AS m
        WHERE m.month = date_trunc('month', here.day) AND e.posted_on = date_trunc('month', e.posted_on)))
UNION ALL
SELECT c.number, format('Its credit note %%s is not posted.', n.number)
FROM chosen AS c JOIN billing_creditnote AS n ON n.invoice_id = c.id OR n.part_of_id = c.id
WHERE NOT EXISTS (SELECT FROM ledger_journalentry AS e WHERE e.kind = 'credit_note' AND e.source = n.id::text)
UNION ALL
SELECT c.number, format('%%s of it is credited, and its credit notes come to %%s.', i.credited_minor, noted.minor)
FROM chosen AS c JOIN billing_invoice AS i ON i.id = c.id CROSS JOIN LATERAL (
    SELECT coalesce(sum(n.total_minor), 0) AS minor FROM billing_creditnote AS n
    WHERE n.invoice_id = c.id OR n.part_of_id = c.id
) AS noted
WHERE i.credited_minor <> noted.minor
UNION ALL
SELECT c.number, format('It is %%s with %%s to pay, and %%s is open in the ledger.', c.status, c.owed, open.minor)
FROM chosen AS c LEFT JOIN (
    SELECT p.document, sum(p.amount_minor) AS minor FROM ledger_posting AS p
    WHERE p.account IN ('receivable', 'write_off') AND p.document IN (SELECT number FROM chosen) GROUP BY p.document
) AS posted ON posted.document = c.number
CROSS JOIN LATERAL (SELECT coalesce(posted.minor, 0) AS minor) AS open
WHERE c.owed <> open.minor
ORDER BY 1, 2
"""

# What is owed by each tenant, by its documents and payments, and by the ledger.
TENANTS: Final = """
WITH documents AS (
    SELECT i.tenant_id, i.currency, sum(i.total_minor - i.credited_minor - coalesce(
        (SELECT sum(a.amount_minor) FROM billing_paymentallocation AS a WHERE a.invoice_id = i.id), 0) - coalesce(
        (SELECT sum(s.amount_minor) FROM billing_creditsetoff AS s WHERE s.invoice_id = i.id), 0)) AS minor
    FROM billing_invoice AS i WHERE i.status IN ('finalized', 'uncollectible') GROUP BY i.tenant_id, i.currency
), ledger AS (
    SELECT p.tenant_id, p.currency, sum(p.amount_minor) AS minor FROM ledger_posting AS p
    WHERE p.account IN ('receivable', 'write_off') GROUP BY p.tenant_id, p.currency
)
SELECT format('tenant %%s', t.slug), format('%%s owes %%s by its documents and %%s by the ledger.',
    coalesce(d.currency, l.currency), coalesce(d.minor, 0), coalesce(l.minor, 0))
FROM documents AS d FULL JOIN ledger AS l USING (tenant_id, currency) JOIN accounts_tenant AS t ON t.id = tenant_id
WHERE coalesce(d.minor, 0) <> coalesce(l.minor, 0)
UNION ALL
SELECT format('entry %%s', p.entry_id), format('Its postings sum to %%s.', sum(p.amount_minor))
FROM ledger_posting AS p GROUP BY p.entry_id HAVING sum(p.amount_minor) <> 0
ORDER BY 1, 2
"""


def untied_documents(invoice_ids: Sequence[UUID]) -> list[Untied]:
    """Return what these finalized invoices, their payments and credit notes should have posted and did not."""
    return [Untied(*row) for row in fetch_all(DOCUMENTS, {"ids": list(invoice_ids)})]


def untied_books() -> list[Untied]:
    """Return tenants whose balance is not documents less payments, and entries and closed months that do not add up."""
    months = [Untied(f"month {month:%Y-%m}", "It was closed with other sums.") for month in changed_months()]
    return [*(Untied(*row) for row in fetch_all(TENANTS)), *months]
