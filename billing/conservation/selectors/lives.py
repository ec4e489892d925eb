"""Subscriptions with all lines of their documents, and their usage in the raw ledger, for conservation.

A fixed number of queries reads any number of subscriptions. No rollup and no code that computes invoices is used:
`docs/algorithms/invoicing.md`, V6 to V9.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from math import floor
from typing import Final
from uuid import UUID

from accounts.sql import fetch_all
from billing.conservation.domain.comparing import (
    Booked,
    Credited,
    Imbalance,
    Life,
    Lived,
    Offer,
    PartedTax,
    Stage,
    TakenBack,
    Unbalanced,
    Usage,
    imbalances,
    misplaced,
    unbilled,
)
from billing.conservation.domain.costs import Tariff, digits_of, is_readable
from metering.selectors.span_usage import ReadUsage, UsageSpan, raw_usage_of_spans

_PLACES: Final = 10**9  # the digits of a line's quantity
_NO_TIME: Final = timedelta()
# A computation may or may not include changes this long before it, or this long after its run began.
_EARLY: Final = timedelta(minutes=-15)
_LATE: Final = timedelta(hours=1)
_BY_DAY: Final = "by_day"

SUBSCRIPTIONS: Final = """
SELECT s.id, s.tenant_id, t.slug, s.currency, s.time_zone, s.anchor_at, s.ended_at, s.end_refund
FROM billing_subscription AS s JOIN accounts_tenant AS t ON t.id = s.tenant_id WHERE s.id = ANY(%(ids)s::uuid[])
"""
STAGES: Final = """
SELECT p.subscription_id, p.plan_version_id, s.currency, p.starts_at, p.fee_refund
FROM billing_subscriptionphase AS p JOIN billing_subscription AS s ON s.id = p.subscription_id
WHERE s.id = ANY(%(ids)s::uuid[]) ORDER BY p.subscription_id, p.starts_at
"""
PRICES: Final = """
SELECT p.plan_version_id, p.currency, p.meter_id, m.code, p.id, p.model, p.terms::text
FROM billing_price AS p LEFT JOIN metering_meter AS m ON m.id = p.meter_id
WHERE p.plan_version_id = ANY(%(versions)s::bigint[])
"""
# An invoice that was issued again counts until the last document in its place does not. `held` is what stood in its
# place when the latest invoice was computed.
DOCUMENTS: Final = """
WITH known AS (
    SELECT i.subscription_id, coalesce(i.original_id, i.id) AS id, i.boundary, i.number, i.computed_at, i.finalized_at,
        i.original_id IS NOT NULL AS is_again, least(i.voided_at, n.issued_at) AS gone_at, i.paid_at,
        i.uncollectible_at, max(i.computed_at) OVER (PARTITION BY i.subscription_id) AS latest
    FROM billing_invoice AS i LEFT JOIN billing_creditnote AS n ON n.invoice_id = i.id
    WHERE i.subscription_id = ANY(%(ids)s::uuid[]) AND i.finalized_at IS NOT NULL
        AND (i.boundary IS NOT NULL OR i.original_id IS NOT NULL)
), ended AS (
    SELECT id, CASE WHEN bool_and(gone_at IS NOT NULL) THEN max(gone_at) END AS gone_at FROM known GROUP BY id
), held AS (
    SELECT DISTINCT ON (id) id, CASE WHEN paid_at IS NULL OR paid_at > latest THEN uncollectible_at END AS given_up_at
    FROM known WHERE NOT is_again OR finalized_at <= latest ORDER BY id, is_again DESC, finalized_at DESC
)
SELECT k.subscription_id, k.id, k.boundary, k.number, k.computed_at, e.gone_at, h.given_up_at
FROM known AS k JOIN ended AS e USING (id) JOIN held AS h USING (id) WHERE k.boundary IS NOT NULL
"""
LINES: Final = """
SELECT l.invoice_id, l.kind, coalesce(l.meter_id, 0), l.period_start, l.period_end, l.amount_minor
FROM billing_invoiceline AS l JOIN billing_invoice AS i ON i.id = l.invoice_id AND i.revision = l.revision
WHERE i.subscription_id = ANY(%(ids)s::uuid[]) AND i.boundary IS NOT NULL AND i.finalized_at IS NOT NULL
    AND l.kind <> 'carry'
ORDER BY i.boundary, l.position
"""

# A line in force bears what the last document in the place of the other's bears; one that is not, what one of them did.
PARTED_TAXES: Final = """
SELECT i.number, l.position, l.tax_percent, borne.number, borne.tax_percent
FROM billing_invoiceline AS l JOIN billing_invoice AS i ON i.id = l.invoice_id AND i.revision = l.revision
LEFT JOIN billing_creditnote AS n ON n.invoice_id = i.id
JOIN billing_invoiceline AS r ON r.id = l.adjusts_id
CROSS JOIN LATERAL (
    SELECT d.number, b.tax_category, b.tax_percent
    FROM billing_invoice AS d
    JOIN billing_invoiceline AS b ON b.invoice_id = d.id AND b.revision = d.revision AND b.position = r.position
    WHERE (d.id = r.invoice_id OR d.original_id = r.invoice_id) AND d.finalized_at IS NOT NULL
    ORDER BY (i.voided_at IS NOT NULL OR n.id IS NOT NULL)
            AND (l.tax_category, l.tax_percent) = (b.tax_category, b.tax_percent) DESC,
        d.original_id IS NOT NULL DESC, d.finalized_at DESC
    LIMIT 1
) AS borne
WHERE i.subscription_id = ANY(%(ids)s::uuid[]) AND i.finalized_at IS NOT NULL AND l.amount_minor <> 0
    AND (l.tax_category, l.tax_percent) <> (borne.tax_category, borne.tax_percent)
ORDER BY i.number, l.position
"""


CREDITS: Final = """
SELECT i.subscription_id, r.meter_id, r.period_start, r.period_end, (l ->> 'amount_minor')::bigint,
    (l ->> 'stood_minor')::bigint, n.issued_at
FROM billing_creditnote AS n JOIN billing_invoice AS i ON i.id = n.part_of_id
CROSS JOIN LATERAL jsonb_array_elements(n.credited_lines) AS l
JOIN billing_invoiceline AS r ON r.id = (l ->> 'root')::bigint
WHERE i.subscription_id = ANY(%(ids)s::uuid[]) AND r.kind = 'usage' ORDER BY n.issued_at, n.id
"""

# Lines of before invoices could be issued again have no day of supply.
TAKEN_BACK: Final = """
SELECT i.subscription_id, i.boundary, n.number, n.reason
FROM billing_creditnote AS n JOIN billing_invoice AS i ON i.id = n.invoice_id
WHERE i.subscription_id = ANY(%(ids)s::uuid[]) AND i.boundary IS NOT NULL
    AND NOT EXISTS (SELECT FROM billing_invoice AS r WHERE r.replaces_id = i.id)
    AND EXISTS (SELECT FROM billing_invoiceline AS l
        WHERE l.invoice_id = i.id AND l.revision = i.revision AND l.supplied_on IS NULL)
ORDER BY n.issued_at, n.id
"""


@dataclass(frozen=True, slots=True)
class Document:
    """An issued invoice, with when it stopped counting and when staff wrote it off."""

    boundary: int
    number: str
    computed_at: datetime
    gone_at: datetime | None
    given_up_at: datetime | None


def unbalanced(subscription_ids: Sequence[UUID], read: ReadUsage = raw_usage_of_spans) -> list[Unbalanced]:
    """Return the subscriptions whose documents differ from the cost of the raw events, which `read` reads."""
    lives = _lives([str(pk) for pk in subscription_ids])
    suspects = [
        (
            lived,
            frozenset(imbalances(lived.life, usage)),
            list(misplaced(lived.life)),
            list(unbilled(lived.life, usage)),
        )
        for lived, usage in zip(lives, _usage(lives, None, read), strict=True)
    ]
    suspects = [suspect for suspect in suspects if any(suspect[1:])]
    doubted = [lived for lived, *_ in suspects]
    # Changes under way while the latest invoice was computed may be on it or not; both are right.
    variants = [_usage(doubted, margins, read) for margins in ((_EARLY, _LATE), (_LATE, _EARLY))]
    found = []
    for position, (lived, _, wrong, never_again) in enumerate(suspects):
        left = _common(lived.life, [variant[position] for variant in variants])
        if left or wrong or never_again:
            found.append(Unbalanced(lived, left, wrong, never_again))
    return found


def parted_taxes(subscription_ids: Sequence[UUID]) -> list[PartedTax]:
    """Return the lines that correct another line and do not have its tax."""
    rows = fetch_all(PARTED_TAXES, {"ids": [str(pk) for pk in subscription_ids]})
    return [PartedTax(*row) for row in rows]


def _common(life: Life, usages: Iterable[Usage]) -> list[Imbalance]:
    """Return the imbalances that remain whichever changes under way the latest invoice included."""
    computed_at = life.computed_at[life.reached]
    possible: list[list[Imbalance]] = []
    for usage in usages:
        for shift in (_NO_TIME, _EARLY, _LATE):
            moments = {**life.computed_at, life.reached: computed_at + shift}
            possible.append(list(imbalances(replace(life, computed_at=moments), usage)))
    known = [{(one.period, one.meter_id) for one in found} for found in possible]
    return [one for one in possible[0] if all((one.period, one.meter_id) in found for found in known)]


def _lives(ids: Sequence[str]) -> list[Lived]:
    subscriptions = fetch_all(SUBSCRIPTIONS, {"ids": ids})
    phases = fetch_all(STAGES, {"ids": ids})
    offers, meters = _offers({version_id for _, version_id, *_ in phases})
    stages: dict[UUID, list[Stage | None]] = defaultdict(list)
    for subscription_id, version_id, currency, starts_at, policy in phases:
        offer = offers.get((version_id, currency))
        stages[subscription_id].append(None if offer is None else Stage(starts_at, offer, policy == _BY_DAY))
    documents: dict[UUID, dict[UUID, Document]] = defaultdict(dict)
    for subscription_id, invoice_id, *document in fetch_all(DOCUMENTS, {"ids": ids}):
        documents[subscription_id][invoice_id] = Document(*document)
    lines: dict[UUID, list[tuple[str, int, datetime, datetime, int]]] = defaultdict(list)
    for invoice_id, *line in fetch_all(LINES, {"ids": ids}):
        lines[invoice_id].append(tuple(line))
    credits_given: dict[UUID, list[Credited]] = defaultdict(list)
    for subscription_id, *credited in fetch_all(CREDITS, {"ids": ids}):
        credits_given[subscription_id].append(Credited(*credited))
    taken_back: dict[UUID, dict[int, TakenBack]] = defaultdict(dict)
    for subscription_id, boundary, *note in fetch_all(TAKEN_BACK, {"ids": ids}):
        taken_back[subscription_id][boundary] = TakenBack(*note)
    lives = []
    for pk, tenant_id, slug, currency, zone, anchor_at, ended_at, end_refund in subscriptions:
        issued, readable = documents[pk], [stage for stage in stages[pk] if stage is not None]
        if not issued or len(readable) < len(stages[pk]):
            continue
        life = Life(
            zone=zone,
            digits=digits_of(currency),
            anchor=anchor_at,
            reached=max(document.boundary for document in issued.values()),
            stages=readable,
            lines=[_booked(document, line) for key, document in issued.items() for line in lines[key]],
            computed_at={document.boundary: document.computed_at for document in issued.values()},
            ended_at=ended_at,
            gives_back=end_refund == _BY_DAY,
            credits=credits_given[pk],
            taken_back=taken_back[pk],
        )
        numbers = {document.boundary: document.number for document in issued.values()}
        lives.append(Lived(tenant_id, slug, currency, life, numbers, meters))
    return lives


def _booked(document: Document, line: tuple[str, int, datetime, datetime, int]) -> Booked:
    return Booked(document.boundary, *line, gone_at=document.gone_at, given_up_at=document.given_up_at)


def _offers(version_ids: set[int]) -> tuple[dict[tuple[int, str], Offer], dict[int, str]]:
    """Return the offers by version and currency, and the codes of the meters; an unreadable price is left out.

    Subscriptions with such a price are not compared: the price is reported separately.
    """
    fees: dict[tuple[int, str], Fraction] = defaultdict(Fraction)
    tariffs: dict[tuple[int, str], dict[int, Tariff]] = defaultdict(dict)
    codes: dict[int, str] = {}
    unreadable: set[int] = set()
    rows = fetch_all(PRICES, {"versions": list(version_ids)})
    for version_id, currency, meter_id, code, price_id, model, text in rows:
        key, terms = (version_id, currency), json.loads(text)
        tariff = Tariff(price_id, model, terms)
        if not is_readable(tariff):
            unreadable.add(version_id)
        elif meter_id is None:
            fees[key] = Fraction(terms["amount"])
        else:
            tariffs[key][meter_id] = tariff
            codes[meter_id] = code
    keys = {key for key in (*fees, *tariffs) if key[0] not in unreadable}
    return {key: Offer(fees[key], tariffs[key]) for key in keys}, codes


def _usage(lives: Sequence[Lived], margins: tuple[timedelta, timedelta] | None, read: ReadUsage) -> list[Usage]:
    """Return the usage of each life in the raw ledger: now, or at its latest invoice shifted by two margins.

    The first is for events, the second for voids.
    """
    keys: list[tuple[int, tuple[int, datetime, datetime]]] = []
    spans = []
    for position, lived in enumerate(lives):
        at = lived.life.computed_at[lived.life.reached]
        known = (None, None) if margins is None else (at + margins[0], at + margins[1])
        for stretch in lived.life.stretches:
            for meter_id in stretch.offer.tariffs:
                keys.append((position, (meter_id, stretch.start, stretch.end)))
                spans.append(UsageSpan(lived.tenant_id, meter_id, stretch.start, stretch.end, *known))
    usage: list[dict[tuple[int, datetime, datetime], Fraction]] = [{} for _ in lives]
    for (position, key), found in zip(keys, read(spans), strict=True):
        if found.quantity:
            usage[position][key] = _as_on_a_line(Fraction(found.quantity))
    return list(usage)


def _as_on_a_line(quantity: Fraction) -> Fraction:
    if _PLACES % quantity.denominator == 0:
        return quantity
    return Fraction(floor(quantity * _PLACES + Fraction(1, 2)), _PLACES)
