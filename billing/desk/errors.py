"""Refusals of the desk; see `accounts.errors` for what a refusal is."""

from accounts.errors import ConflictError


class ApprovalError(ConflictError):
    """The request cannot be made or decided so: it is decided already, too old, or the person's own."""

    code = "approval"
    title = "The request cannot be decided so"


class LineQuestionError(ConflictError):
    """The question cannot be asked or decided so: another one is open, or it is decided already."""

    code = "line_question"
    title = "The question cannot be asked or decided so"
