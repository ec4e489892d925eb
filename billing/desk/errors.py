"""Refusals of the desk; see `accounts.errors` for what a refusal is."""

from accounts.errors import ConflictError


class ApprovalError(ConflictError):
    """The request cannot be made or decided so: it is decided already, too old, or the person's own."""

    code = "approval"
    title = "The request cannot be decided so"
