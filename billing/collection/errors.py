"""Errors of collection; see `accounts.errors`."""

from accounts.errors import ConflictError, ProblemError


class PaymentProviderError(ProblemError):
    """The provider does not respond, or none is set up.

    None of our rows was changed, and the same call may be made again.
    """

    code = "payment_provider_unavailable"
    status = 503
    title = "The payment provider does not respond"


class PaymentRefusedError(ConflictError):
    """The provider refused the call; repeating it has the same result.

    `reason` is the provider's code, if it gave one.
    """

    code = "payment_provider_refused"
    title = "The payment provider refuses this"

    def __init__(self, detail: str = "", *, reason: str = "") -> None:
        """Store the provider's message and code."""
        super().__init__(detail)
        self.reason = reason


class CustomerGoneError(PaymentRefusedError):
    """The provider does not know the customer, or has deleted it."""

    code = "provider_customer_gone"
    title = "The payment provider does not know the customer"


class PaymentDeclinedError(PaymentRefusedError):
    """The customer's bank declined the payment, or asks the customer to confirm it first."""

    code = "payment_declined"
    title = "The payment was declined"

    def __init__(self, detail: str = "", *, reason: str = "", attempt_reference: str = "") -> None:
        """Store the provider's message and code, and its reference of the attempt, if the bank was asked."""
        super().__init__(detail, reason=reason)
        self.attempt_reference = attempt_reference


class DeliverySignatureError(ProblemError):
    """The provider did not sign the delivery, or not within the last five minutes."""

    code = "invalid_signature"
    status = 400
    title = "The signature is not valid"


class ProviderObjectError(ConflictError):
    """The provider describes an object that is unknown or contradicts our rows: staff must check it."""

    code = "provider_object"
    title = "The provider's data contradicts ours"
