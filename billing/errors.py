"""Refusals of the billing app; see `accounts.errors` for what a refusal is."""

from accounts.errors import ConflictError, ProblemError


class PlanExistsError(ConflictError):
    """A plan's code is unique."""

    code = "plan_exists"
    title = "There is a plan with this code already"


class UnknownPlanError(ProblemError):
    """No plan that is for sale has this code."""

    code = "unknown_plan"
    title = "No plan has this code"


class CurrencyNotOfferedError(ProblemError):
    """The plan has no prices in the tenant's currency."""

    code = "currency_not_offered"
    title = "The plan has no prices in this currency"


class SubscriptionExistsError(ConflictError):
    """A tenant has one live subscription."""

    code = "subscription_exists"
    title = "The tenant has a subscription already"


class ParticularsMissingError(ConflictError):
    """Who is billed is not known well enough for an invoice, so nothing paid begins."""

    code = "particulars_missing"
    title = "The address for invoices is missing"


class SubscriptionStatusError(ConflictError):
    """The subscription's status does not allow this."""

    code = "subscription_status"
    title = "The subscription's status does not allow this"


class SubscriptionChangedError(ConflictError):
    """Another request changed the subscription in between; this one changed nothing."""

    code = "subscription_changed"
    title = "The subscription was changed by someone else"


class InvoiceStatusError(ConflictError):
    """The invoice's status does not allow this."""

    code = "invoice_status"
    title = "The invoice's status does not allow this"


class UnbillableError(ProblemError):
    """What a subscription used or ordered cannot be turned into an invoice: a person has to look first."""

    code = "unbillable"
    status = 409
    title = "This cannot be invoiced as it stands"

    def __init__(self, reason: str, detail: str) -> None:
        """Set `reason`, a stable word for the operator, and `detail`, a sentence."""
        super().__init__(detail)
        self.reason = reason
