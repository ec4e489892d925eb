"""Post to the ledger of accounts: every event once, many in one statement, in the caller's transaction."""

from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID

from django.db import connection

from accounts.domain.identifiers import uuid7
from accounts.sql import as_json, fetch_all
from billing.ledger.domain.entries import Happening, Movement

ENTRIES_PER_STATEMENT: Final = 500

# `ledger_open_since` reads the first open day under a lock that lasts to the end of the transaction. Revenue of a month
# that begins after the month of posting is deferred; a release moves it later.
POST: Final = """
WITH open AS MATERIALIZED (SELECT ledger_open_since() AS since), added AS (
    INSERT INTO ledger_journalentry (id, tenant_id, currency, kind, source, document, occurred_at, posted_on)
    SELECT e.id, e.tenant_id, e.currency, e.kind, e.source, e.document, e.occurred_at, greatest(e.happened_on, o.since)
    FROM open AS o, jsonb_to_recordset(%(entries)s::jsonb) AS e(id uuid, tenant_id uuid, currency text, kind text,
        source text, document text, occurred_at timestamptz, happened_on date)
    ON CONFLICT (kind, source) DO NOTHING
    RETURNING id, tenant_id, currency, kind, posted_on
), moved AS (
    INSERT INTO ledger_posting (entry_id, tenant_id, currency, posted_on, account, amount_minor, document, due_on,
        meter, service_month, jurisdiction, tax_category, tax_name, tax_percent, base_minor, provider)
    SELECT a.id, a.tenant_id, a.currency, a.posted_on,
        CASE WHEN p.service_month IS NULL OR a.kind = 'release' THEN p.account
            WHEN p.service_month > a.posted_on THEN 'deferred' ELSE 'revenue' END,
        p.amount_minor, p.document, p.due_on,
        p.meter, p.service_month, p.jurisdiction, p.tax_category, p.tax_name, p.tax_percent, p.base_minor, p.provider
    FROM jsonb_to_recordset(%(postings)s::jsonb) AS p(entry_id uuid, account text, amount_minor bigint, document text,
        due_on date, meter text, service_month date, jurisdiction text, tax_category text, tax_name text,
        tax_percent numeric, base_minor bigint, provider text)
    JOIN added AS a ON a.id = p.entry_id
)
SELECT id FROM added
"""


def post(happenings: Sequence[Happening]) -> int:
    """Post events, and return how many were new: an event that is already posted is not changed.

    It runs in the caller's transaction with the documents, so that both are stored, or neither.
    """
    assert connection.in_atomic_block, "a document and its entry are committed together"
    added = 0
    for start in range(0, len(happenings), ENTRIES_PER_STATEMENT):
        entries: list[dict[str, object]] = []
        postings: list[dict[str, object]] = []
        for happening in happenings[start : start + ENTRIES_PER_STATEMENT]:
            entry_id = uuid7(happening.occurred_at)
            entries.append(_entry(entry_id, happening))
            postings += _postings(entry_id, happening.movements)
        added += len(fetch_all(POST, {"entries": as_json(entries), "postings": as_json(postings)}))
    return added


def _entry(entry_id: UUID, happening: Happening) -> dict[str, object]:
    return {
        "id": entry_id,
        "tenant_id": happening.tenant_id,
        "currency": happening.currency,
        "kind": happening.kind,
        "source": happening.source,
        "document": happening.document,
        "occurred_at": happening.occurred_at,
        "happened_on": happening.happened_on,
    }


def _postings(entry_id: UUID, movements: Sequence[Movement]) -> Iterator[dict[str, object]]:
    for movement in movements:
        yield {
            "entry_id": entry_id,
            "account": movement.account,
            "amount_minor": movement.amount_minor,
            "document": movement.document,
            "due_on": movement.due_on,
            "meter": movement.meter,
            "service_month": movement.service_month,
            "jurisdiction": movement.jurisdiction,
            "tax_category": movement.tax_category,
            "tax_name": movement.tax_name,
            "tax_percent": movement.tax_percent,
            "base_minor": movement.base_minor,
            "provider": movement.provider,
        }
