"""Refusals about webhooks, with the codes of the public contract."""

from accounts.errors import ConflictError, ProblemError


class TooManyEndpointsError(ProblemError):
    """A tenant may have a limited number of endpoints, so that none takes the sender for itself."""

    code = "too_many_endpoints"
    title = "There are too many webhook endpoints"


class EndpointNotActiveError(ConflictError):
    """Nothing is sent to an endpoint that is paused or disabled."""

    code = "endpoint_not_active"
    title = "The webhook endpoint is not active"


class TooManyReplaysError(ProblemError):
    """One request replays a limited number of deliveries."""

    code = "too_many_deliveries"
    title = "There are too many deliveries"
