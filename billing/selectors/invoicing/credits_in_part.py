"""Which usage was credited in part: by whom it is asked, now or as of a moment. `docs/algorithms/invoicing.md`, C."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from billing.domain.invoicing.lines import CreditInPart
from billing.models import CreditNote


def credits_in_part(subscription_ids: Collection[UUID]) -> Mapping[int, Sequence[CreditInPart]]:
    """Return by usage line what was credited of it and its corrections, the earliest first."""
    if not subscription_ids:
        return {}
    notes = CreditNote.objects.filter(part_of__subscription__in=subscription_ids).order_by("issued_at", "pk")
    found: dict[int, list[CreditInPart]] = defaultdict(list)
    for issued_at, lines in notes.values_list("issued_at", "credited_lines"):
        for line in lines:
            found[line["root"]].append(CreditInPart(line["line"], line["amount_minor"], line["stood_minor"], issued_at))
    return found


def credited_by(given: Sequence[CreditInPart], at: datetime) -> tuple[CreditInPart, ...]:
    """Return what was credited by a moment."""
    return tuple(one for one in given if one.issued_at <= at)
