"""Refusals of collection; see `accounts.errors` for what a refusal is."""

from accounts.errors import ConflictError, ProblemError


class PaymentProviderError(ProblemError):
    """The provider does not answer, or there is none.

    Nothing of ours was changed, and the same call may be made again.
    """

    code = "payment_provider_unavailable"
    status = 503
    title = "The payment provider does not answer"


class PaymentRefusedError(ConflictError):
    """The provider answered, and said no; asking again changes nothing.

    `reason` is the provider's own code, if it gave one.
    """

    code = "payment_provider_refused"
    title = "The payment provider refuses this"

    def __init__(self, detail: str = "", *, reason: str = "") -> None:
        """Keep the provider's words for whoever looks."""
        super().__init__(detail)
        self.reason = reason


class DeliverySignatureError(ProblemError):
    """A delivery that the provider did not sign, or not within the last five minutes."""

    code = "invalid_signature"
    status = 400
    title = "The signature is not valid"


class ProviderObjectError(ConflictError):
    """The provider describes something unknown to us, or that contradicts what we have: a person has to look."""

    code = "provider_object"
    title = "The provider says something that does not fit"
