"""Which usage was credited in part: by whom it is asked, now or as of a moment. `docs/algorithms/invoicing.md`, C."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.models import CreditNote


@dataclass(frozen=True, slots=True)
class CreditInPart:
    """What a credit note takes back of a line, and what stood of its usage then."""

    amount_minor: int
    stood_minor: int
    issued_at: datetime


def credits_in_part(subscription_ids: Collection[UUID]) -> Mapping[int, Sequence[CreditInPart]]:
    """Return by usage line what was credited of it and its corrections, the earliest first."""
    if not subscription_ids:
        return {}
    notes = CreditNote.objects.filter(part_of__subscription__in=subscription_ids).order_by("issued_at", "pk")
    found: dict[int, list[CreditInPart]] = defaultdict(list)
    for issued_at, lines in notes.values_list("issued_at", "credited_lines"):
        for line in lines:
            found[line["root"]].append(CreditInPart(line["amount_minor"], line["stood_minor"], issued_at))
    return found


def credited_of(given: Sequence[CreditInPart], at: datetime | None = None) -> tuple[int, int]:
    """Return what was credited, now or by a moment, and what stood when the last of it was."""
    counted = [one for one in given if at is None or one.issued_at <= at]
    if not counted:
        return 0, 0
    return sum(one.amount_minor for one in counted), counted[-1].stood_minor
