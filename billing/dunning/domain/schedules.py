"""Dunning schedules: which step is on which day, what was wrong with the days, interest, and late runs. Pure.

Days of a card's case count from the failed payment, at its time of day; days of a transfer's case from the due date,
at nine in the seller's time zone. A case keeps the steps that it was opened with.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from accounts.errors import FieldError, InvalidFieldsError
from billing.domain.money import round_to_minor, to_major
from billing.dunning.domain.states import CaseKind, StepKind
from metering.domain.periods import local_day, start_of_day

DAY_MAX: Final = 365
STEPS_MAX: Final = 12
INTEREST_PERCENT_MAX: Final = Decimal(100)
# A step that runs later than this moves the following ones, so that no customer gets several mails at once.
LATENESS_MAX: Final = timedelta(hours=12)
_DAY: Final = timedelta(days=1)
_MAILED_AT: Final = timedelta(hours=9)
_DAYS_OF_A_YEAR: Final = 365


@dataclass(frozen=True, slots=True)
class ScheduleTerms:
    """The days of a schedule. None leaves a step out; `warn_before_days` counts back from the cancellation."""

    retry_days: tuple[int, ...] = (1, 3, 5, 7)
    reminder_days: tuple[int, ...] = (1, 7, 14)
    suspend_on_day: int | None = 14
    cancel_on_day: int | None = 30
    warn_before_days: int | None = 3
    fee_on_day: int | None = None


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step and the moment from which it runs."""

    kind: StepKind
    due_at: datetime


def check_terms(terms: ScheduleTerms) -> None:
    """Check the days of a schedule. Raises `InvalidFieldsError` that names each field."""
    refusals = [*_refused_days("retry_days", terms.retry_days), *_refused_days("reminder_days", terms.reminder_days)]
    for name in ("suspend_on_day", "cancel_on_day", "fee_on_day", "warn_before_days"):
        day = getattr(terms, name)
        if day is not None and not 1 <= day <= DAY_MAX:
            refusals.append(FieldError(f"/{name}", "invalid_day", f"From 1 to {DAY_MAX}."))
    suspends, cancels, warns = terms.suspend_on_day, terms.cancel_on_day, terms.warn_before_days
    if cancels is not None and suspends is not None and cancels <= suspends:
        refusals.append(FieldError("/cancel_on_day", "invalid_order", "After the day of the suspension."))
    if warns is not None and (cancels is None or warns >= cancels):
        refusals.append(FieldError("/warn_before_days", "invalid_order", "Fewer days than until the cancellation."))
    if refusals:
        raise InvalidFieldsError(refusals[0].detail, field_errors=tuple(refusals))


def _refused_days(name: str, days: Sequence[int]) -> Iterable[FieldError]:
    if len(days) > STEPS_MAX:
        yield FieldError(f"/{name}", "too_many", f"At most {STEPS_MAX} days.")
    elif any(not 1 <= day <= DAY_MAX for day in days):
        yield FieldError(f"/{name}", "invalid_day", f"From 1 to {DAY_MAX}.")
    elif list(days) != sorted(set(days)):
        yield FieldError(f"/{name}", "invalid_order", "Each day once, the first one first.")


def plan_steps(
    terms: ScheduleTerms, kind: CaseKind, *, opened_at: datetime, time_zone: str, ends_service: bool
) -> list[PlannedStep]:
    """Return the steps of a case that is opened now, in the order of their moments.

    Without `ends_service` nothing is suspended or cancelled: the subscription has ended before.
    """
    wanted = [(0, StepKind.NOTICE)] if kind is CaseKind.CHARGE else []
    if kind is CaseKind.CHARGE:
        wanted += [(day, StepKind.RETRY) for day in terms.retry_days]
    else:
        wanted += [(day, StepKind.REMINDER) for day in terms.reminder_days]
    if terms.fee_on_day is not None:
        wanted.append((terms.fee_on_day, StepKind.FEE))
    if ends_service:
        wanted += _ending(terms)
    order = list(StepKind)
    wanted.sort(key=lambda one: (one[0], order.index(one[1])))
    return [PlannedStep(step, _moment(kind, day, opened_at, time_zone)) for day, step in wanted]


def _ending(terms: ScheduleTerms) -> list[tuple[int, StepKind]]:
    ending = []
    if terms.suspend_on_day is not None:
        ending.append((terms.suspend_on_day, StepKind.SUSPEND))
    if terms.cancel_on_day is not None:
        ending.append((terms.cancel_on_day, StepKind.CANCEL))
        if terms.warn_before_days is not None:
            ending.append((terms.cancel_on_day - terms.warn_before_days, StepKind.WARNING))
    return ending


def _moment(kind: CaseKind, day: int, opened_at: datetime, time_zone: str) -> datetime:
    if kind is CaseKind.CHARGE:
        return opened_at + day * _DAY
    # A transfer's case is opened on the first day after the due date, which is its day 1.
    on = local_day(opened_at, time_zone) + (day - 1) * _DAY
    return max(opened_at, start_of_day(on, time_zone) + _MAILED_AT)


def moved_by(due_at: datetime, ran_at: datetime) -> timedelta:
    """Return by how much the following steps move when a step runs late: nothing if it is hardly late."""
    lateness = ran_at - due_at
    return lateness if lateness > LATENESS_MAX else timedelta()


def moved_by_pause(*, opened_at: datetime, paused_at: datetime, resumed_at: datetime) -> timedelta:
    """Return by how much the steps of a case move when dunning is resumed: the part of the pause that it was open."""
    return max(resumed_at - max(opened_at, paused_at), timedelta())


def interest_minor(
    amount_minor: int, currency: str, *, percent_a_year: Decimal, due_on: date, paid_on: date
) -> tuple[int, int]:
    """Return simple interest on what was paid late, and the days: from the day after the due date to the payment.

    A year has 365 days. Rounded half-up to the minor unit.
    """
    days = max((paid_on - due_on).days, 0)
    exact = to_major(amount_minor, currency) * percent_a_year / 100 * days / _DAYS_OF_A_YEAR
    return round_to_minor(exact, currency), days
