"""Add exchange rates, from the bank's file or by staff, and correct them by a later version. None is ever changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from django.db import transaction

from accounts.domain.actor import Actor
from accounts.domain.plain import plain_decimal
from accounts.errors import ConflictError, FieldError, InvalidFieldsError, NotFoundError
from accounts.services.audit import AuditTarget, record_audit
from billing.domain.exchange import DayRate
from billing.models import ExchangeRate
from billing.services.invoicing.status import checked_reason

# The digits of the column.
STEP: Final = Decimal("1e-10")


@dataclass(frozen=True, slots=True)
class AddedRates:
    """The number of new rates, and of rates that were already stored."""

    added: int
    known: int


def add_exchange_rates(*, rates: Sequence[DayRate], actor: Actor, as_of: datetime) -> AddedRates:
    """Add the rates that are not stored yet; all of them, or none.

    Raises `ConflictError` if one is stored with another value, `InvalidFieldsError` for a future day or no source.
    """
    _check(rates, as_of)
    rows = [
        ExchangeRate(per=rate.per, currency=rate.currency, day=rate.day, rate=rate.rate, source=rate.source)
        for rate in rates
    ]
    with transaction.atomic():
        known_before = ExchangeRate.objects.count()
        # A rate that was corrected is known by its first version.
        ExchangeRate.objects.bulk_create(rows, batch_size=1000, ignore_conflicts=True)
        _check_same(rates)
        added = ExchangeRate.objects.count() - known_before
        if added:
            days = sorted({rate.day for rate in rates})
            record_audit(
                actor=actor,
                action="exchange_rates.added",
                tenant_id=None,
                target=AuditTarget("exchange_rates", days[-1].isoformat(), f"{days[0]} to {days[-1]}"),
                after={"added": added, "source": rates[0].source},
                as_of=as_of,
            )
    return AddedRates(added, len(rates) - added)


def correct_exchange_rate(*, rate_id: int, right: DayRate, reason: str, actor: Actor, as_of: datetime) -> ExchangeRate:
    """Add a later version of a stored rate of the same currencies and day; drafts use it, issued documents keep theirs.

    Raises `NotFoundError`, `InvalidFieldsError`, and `ConflictError` if it was corrected meanwhile or is the same.
    """
    reason = checked_reason(reason)
    _check([right], as_of)
    with transaction.atomic():
        known = ExchangeRate.objects.select_for_update(no_key=True).filter(pk=rate_id).first()
        if known is None:
            raise NotFoundError("There is no such exchange rate.")
        of_that_day = ExchangeRate.objects.filter(per=known.per, currency=known.currency, day=known.day)
        if of_that_day.filter(version__gt=known.version).exists():
            raise ConflictError("It was corrected already: correct its latest version.")
        if known.rate == right.rate.quantize(STEP) and known.source == right.source:
            raise ConflictError("It is stored like this already.")
        row = ExchangeRate.objects.create(
            per=known.per, currency=known.currency, day=known.day, rate=right.rate, source=right.source,
            version=known.version + 1, reason=reason,
        )  # fmt: skip
        record_audit(
            actor=actor,
            action="exchange_rate.corrected",
            tenant_id=None,
            target=AuditTarget("exchange_rates", known.day.isoformat(), f"{known.per} in {known.currency}"),
            before={"rate": plain_decimal(known.rate), "source": known.source},
            after={"rate": plain_decimal(right.rate), "source": right.source, "reason": reason},
            as_of=as_of,
        )
    return row


def _check(rates: Sequence[DayRate], as_of: datetime) -> None:
    for rate in rates:
        if rate.day > as_of.date():
            refused = FieldError("/day", "in_the_future", f"{rate.day} is in the future.")
            raise InvalidFieldsError(refused.detail, field_errors=(refused,))
        if not rate.source.strip() or rate.rate <= 0 or rate.per == rate.currency:
            refused = FieldError("/rate", "invalid_rate", "A rate is above 0, between two currencies, with its source.")
            raise InvalidFieldsError(refused.detail, field_errors=(refused,))


def _check_same(rates: Sequence[DayRate]) -> None:
    """Refuse another value for a stored rate; amounts are compared with the column's digits."""
    days = {rate.day for rate in rates}
    known_rates = ExchangeRate.objects.filter(day__in=days).order_by("version")
    rows = known_rates.values_list("per", "currency", "day", "rate")
    stored = {(per, currency, day): rate for per, currency, day, rate in rows}
    for rate in rates:
        known = stored[rate.per, rate.currency, rate.day]
        if known != rate.rate.quantize(STEP):
            raise ConflictError(
                f"1 {rate.per} on {rate.day} is stored as {known.normalize():f} {rate.currency}, not {rate.rate:f}."
                " Nothing was added."
            )
