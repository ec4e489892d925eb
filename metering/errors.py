"""Errors of the metering app; see `accounts.errors`."""

from accounts.errors import ConflictError, ProblemError


class EventConflictError(ConflictError):
    """The id is stored with other content; nothing was changed."""

    code = "event_conflict"
    title = "This event id was used for other content"


class AlreadyVoidedError(ConflictError):
    """The event is already voided."""

    code = "already_voided"
    title = "This event is already voided"


class EventsDeletedError(ProblemError):
    """The raw events of that time were deleted, or are about to be: they can be neither read nor changed."""

    code = "events_deleted"
    status = 410
    title = "The raw events of this time were deleted"


class EventRefusedError(ProblemError):
    """A well-formed event that is refused; `code` says why."""

    code = "invalid_event"
    title = "The event was refused"


class ThrottledError(ProblemError):
    """More requests at once than the throttle allows."""

    code = "throttled"
    status = 429
    title = "Too many requests"


class QuotaExceededError(ProblemError):
    """A hard quota is used up until its period ends."""

    code = "quota_exceeded"
    status = 429
    title = "The quota is used up"


class BudgetExceededError(ProblemError):
    """A budget that the customer set, and that stops requests, is used up until its period ends."""

    code = "budget_exceeded"
    status = 429
    title = "The budget is used up"


class BudgetExistsError(ConflictError):
    """The scope has a budget on this meter or currency and period."""

    code = "budget_exists"
    title = "There is such a budget"


class AlertThresholdExistsError(ConflictError):
    """The quota has this threshold already."""

    code = "alert_threshold_exists"
    title = "There is such a threshold"


class TooManyAlertThresholdsError(ProblemError):
    """The organisation has as many own thresholds as it may have."""

    code = "too_many_alert_thresholds"
    title = "Too many thresholds"


class TooManyBudgetsError(ProblemError):
    """The organisation has as many budgets as it may have."""

    code = "too_many_budgets"
    title = "Too many budgets"


class ReservationEndedError(ConflictError):
    """The reservation was committed, released, or has expired."""

    code = "reservation_ended"
    title = "The reservation has ended"


class UnknownEventTypeCodeError(ProblemError):
    """No event type has this code."""

    code = "unknown_event_type"
    status = 422
    title = "No event type has this code"


class UnknownMeterError(ProblemError):
    """No meter has this code."""

    code = "unknown_meter"
    status = 422
    title = "No meter has this code"


class QueryTooLargeError(ProblemError):
    """The response would be too large, or take too long to compute."""

    code = "query_too_large"
    title = "The query asks for too much at once"


class AmbiguousApiKeyError(ProblemError):
    """Several keys begin with the same characters."""

    code = "ambiguous_api_key"
    title = "Several keys begin with these characters"


class CodeTakenError(ConflictError):
    """The code of an event type, a meter or a usage plan is taken by another of its kind."""

    code = "code_taken"
    title = "This code is taken"


class MeterFixedError(ConflictError):
    """The rule of a meter cannot change once it counts."""

    code = "meter_fixed"
    title = "The meter counts already"


class InUseError(ConflictError):
    """Other rows refer to the object, so it is not deleted: a usage plan with tenants, a meter that a price names."""

    code = "in_use"
    title = "It is in use"
