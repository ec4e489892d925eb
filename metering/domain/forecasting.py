"""The forecast of a meter's usage at the end of a month: by weekday and hour of the day, robust against single days.

`docs/algorithms/forecast.md` has the rules with worked numbers, and how they were measured.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from enum import StrEnum
from statistics import median
from typing import Final

from metering.domain.periods import Span

DAYS_SEEN: Final = 56
DAYS_FOR_WEEKDAYS: Final = 14
_WEEK: Final = 7
_USUAL_MAX: Final = 3
_LEVEL_DAYS: Final = 14
_MEAN_DAYS: Final = 28
_GROWTH_DAYS_MIN: Final = 28
# Half of the growth is expected to go on, at most by so much of the level a day.
_GROWTH_KEPT: Final = Decimal("0.5")
_GROWTH_MAX: Final = Decimal("0.005")
_FACTOR_MIN: Final = Decimal("0.05")
# The days at which the forecast is tried on the past, and how many of those must have been less wrong.
_TRIALS_MAX: Final = 8
_TRIALS_MIN: Final = 5
_TRIAL_STEP: Final = 3
_INSIDE: Final = Decimal("0.8")
_ZERO, _ONE = Decimal(0), Decimal(1)
_STEP: Final = Decimal("1E-9")
_CONTEXT: Final = Context(prec=80, rounding=ROUND_HALF_UP)
_DAY: Final = timedelta(days=1)
_MICROSECOND: Final = timedelta(microseconds=1)


class ForecastMethod(StrEnum):
    """How a forecast was made; `COUNTED` is none: the month is over, or its days do not add up."""

    SEASONAL = "seasonal"
    RECENT_DAYS = "recent_days"
    RUN_RATE = "run_rate"
    COUNTED = "counted"


@dataclass(frozen=True, slots=True)
class PastDay:
    """A whole day: its weekday (0 is Monday), its quantity, and how much of that was used by this time of the day."""

    weekday: int
    quantity: Decimal
    by_now: Decimal


@dataclass(frozen=True, slots=True)
class PastDays:
    """A meter's whole days until yesterday, the oldest first, without those before its usage began."""

    days: tuple[PastDay, ...] = ()
    began_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """The usage at the end, and the interval in which it lies in 80 of 100 months; None: too little is known."""

    quantity: Decimal
    low: Decimal | None
    high: Decimal | None
    method: ForecastMethod


@dataclass(frozen=True, slots=True)
class UsageAhead:
    """What is expected of the rest of today and of each later day, and how wrong the rest of a span may be.

    `error` is a share: the rest may be so much less or more in 80 of 100 cases. None: too little is known.
    """

    days: tuple[Decimal, ...]
    error: Decimal | None
    is_seasonal: bool

    @property
    def bounds(self) -> tuple[Decimal, Decimal] | None:
        """Return the factors of the low and the high end of the interval; None without one."""
        return None if self.error is None else (max(_ONE - self.error, _ZERO), _ONE + self.error)


# The expected quantity so many days after yesterday (0 is today), on this weekday.
Expected = Callable[[int, int], Decimal]


def counted(quantity: Decimal) -> Forecast:
    """Return the forecast that nothing is added."""
    return Forecast(quantity, quantity, quantity, ForecastMethod.COUNTED)


def forecast_usage(
    quantity: Decimal, *, span: Span, as_of: datetime, past: PastDays, weekdays_ahead: Sequence[int]
) -> Forecast:
    """Return the usage at the end of `span`, of which `quantity` is counted.

    `weekdays_ahead` are those of today and of each later day of the span.
    """
    if not span.start < as_of < span.end:
        return counted(quantity)
    days = past.days
    with localcontext(_CONTEXT):
        if not days:
            return _run_rate(quantity, span, as_of, past.began_at)
        ahead = usage_ahead(past=past, weekdays_ahead=weekdays_ahead)
        rest = sum(ahead.days, _ZERO)
        is_whole = all(number == number.to_integral_value() for number in (quantity, *(day.quantity for day in days)))
        low, high = ahead.bounds or (None, None)
        return Forecast(
            _rounded(quantity + rest, is_whole=is_whole),
            None if low is None else _rounded(quantity + rest * low, is_whole=is_whole),
            None if high is None else _rounded(quantity + rest * high, is_whole=is_whole),
            ForecastMethod.SEASONAL if ahead.is_seasonal else ForecastMethod.RECENT_DAYS,
        )


def usage_ahead(*, past: PastDays, weekdays_ahead: Sequence[int]) -> UsageAhead:
    """Return what is expected of the rest of today and of each later day, whose weekdays are given.

    There is at least one whole day in the past.
    """
    days = past.days
    assert days, "the caller has looked"
    with localcontext(_CONTEXT):
        is_seasonal = len(days) >= DAYS_FOR_WEEKDAYS
        expected = _seasonal(days) if is_seasonal else _recent(days)
        first, *later = weekdays_ahead
        rest_of_today = expected(0, first) * (_ONE - _share_by_now(days, first))
        return UsageAhead(
            days=(rest_of_today, *(expected(ahead, weekday) for ahead, weekday in enumerate(later, 1))),
            error=_error_of_trials(days, len(weekdays_ahead)) if is_seasonal else None,
            is_seasonal=is_seasonal,
        )


def _run_rate(quantity: Decimal, span: Span, as_of: datetime, began_at: datetime | None) -> Forecast:
    """Extend the rate since usage began, but no rate of less than a day, in a straight line."""
    elapsed = as_of - span.start
    if began_at is not None:
        elapsed = min(elapsed, max(as_of - began_at, _DAY))
    rest = quantity * ((span.end - as_of) // _MICROSECOND) / (elapsed // _MICROSECOND)
    is_whole = quantity == quantity.to_integral_value()
    return Forecast(_rounded(quantity + rest, is_whole=is_whole), None, None, ForecastMethod.RUN_RATE)


def _recent(days: Sequence[PastDay]) -> Expected:
    """Return the mean of the last week, or of the days since usage began. A day counts as three usual ones at most."""
    latest = [day.quantity for day in days[-_WEEK:]]
    most = median(latest) * _USUAL_MAX
    mean = sum((min(quantity, most) if most else quantity for quantity in latest), _ZERO) / len(latest)
    return lambda _ahead, _weekday: mean


def _seasonal(days: Sequence[PastDay]) -> Expected:
    """Return the level of the last two weeks and half of its growth, times the factor of the weekday."""
    factors = _weekday_factors(days)
    level_of = [
        (position, day.quantity / factors[day.weekday])
        for position, day in enumerate(days)
        if factors[day.weekday] > _FACTOR_MIN
    ]
    latest = [level for position, level in level_of if position >= len(days) - _LEVEL_DAYS]
    level = median(latest) if latest else _ZERO
    if not level:  # on most days nothing is used
        recent = days[-_MEAN_DAYS:]
        mean = sum((day.quantity for day in recent), _ZERO) / len(recent)
        return lambda _ahead, _weekday: mean
    growth = _growth_of(level_of, len(days), level)
    now = level + growth * _LEVEL_DAYS / 2
    return lambda ahead, weekday: max(now + growth * (ahead + 1), _ZERO) * factors[weekday]


def _weekday_factors(days: Sequence[PastDay]) -> list[Decimal]:
    """Return how each weekday compares with the mean of the week around it: a median, drawn to 1 if there are few."""
    ratios: dict[int, list[Decimal]] = defaultdict(list)
    half = _WEEK // 2
    week = sum((day.quantity for day in days[: _WEEK - 1]), _ZERO)
    for position in range(half, len(days) - half):
        week += days[position + half].quantity
        if week:
            ratios[days[position].weekday].append(days[position].quantity * _WEEK / week)
        week -= days[position - half].quantity
    factors = [
        _ONE + (median(ratios[weekday]) - _ONE) * len(ratios[weekday]) / (len(ratios[weekday]) + 1)
        if ratios[weekday]
        else _ONE
        for weekday in range(_WEEK)
    ]
    total = sum(factors, _ZERO)
    return [factor * _WEEK / total for factor in factors] if total else [_ONE] * _WEEK


def _growth_of(level_of: Sequence[tuple[int, Decimal]], number: int, level: Decimal) -> Decimal:
    """Return the part of the growth a day that is expected to go on: between the medians of both halves."""
    if number < _GROWTH_DAYS_MIN:
        return _ZERO
    older = [one for position, one in level_of if position < number // 2]
    newer = [one for position, one in level_of if position >= number // 2]
    if not older or not newer:
        return _ZERO
    growth = (median(newer) - median(older)) * 2 / number * _GROWTH_KEPT
    return max(-level * _GROWTH_MAX, min(growth, level * _GROWTH_MAX))


def _share_by_now(days: Sequence[PastDay], weekday: int) -> Decimal:
    """Return which part of a day is used by this time: the median of the same weekdays, if there are three."""
    used = [day for day in days if day.quantity > 0]
    alike = [day for day in used if day.weekday == weekday]
    shares = [day.by_now / day.quantity for day in (alike if len(alike) >= 3 else used)]  # noqa: PLR2004 - as it says
    return min(max(median(shares), _ZERO), _ONE) if shares else _ZERO


def _error_of_trials(days: Sequence[PastDay], days_ahead: int) -> Decimal | None:
    """Return the relative error that four of five trials on the past did not exceed, of up to a week ahead."""
    ahead = min(days_ahead, _WEEK)
    errors = []
    for end in range(len(days) - ahead, DAYS_FOR_WEEKDAYS - 1, -_TRIAL_STEP):
        expected = _seasonal(days[:end])
        told = sum((expected(n, days[end + n].weekday) for n in range(ahead)), _ZERO)
        came = sum((day.quantity for day in days[end : end + ahead]), _ZERO)
        if told:
            errors.append(abs(came / told - _ONE))
        if len(errors) == _TRIALS_MAX:
            break
    if len(errors) < _TRIALS_MIN:
        return None
    rank = (len(errors) * _INSIDE).to_integral_value(rounding="ROUND_CEILING")
    return sorted(errors)[int(rank) - 1]


def _rounded(number: Decimal, *, is_whole: bool) -> Decimal:
    """Return a quantity to 9 places without trailing zeros, or a whole one if only whole ones come."""
    return Decimal(format(number.quantize(_ONE if is_whole else _STEP).normalize(_CONTEXT), "f"))
