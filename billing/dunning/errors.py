"""Refusals of dunning; see `accounts.errors` for what a refusal is."""

from accounts.errors import ConflictError, ProblemError


class DunningPauseError(ConflictError):
    """Dunning of the tenant is paused already, or it is not paused."""

    code = "dunning_pause"
    title = "Dunning cannot be paused or resumed now"


class DunningScheduleError(ConflictError):
    """The schedule cannot be changed so: it is the default one, or in use."""

    code = "dunning_schedule"
    title = "The dunning schedule cannot be changed so"


class PaymentLinkError(ProblemError):
    """The payment link is not one of ours, or it has expired."""

    code = "payment_link"
    status = 404
    title = "The payment link is not valid"
