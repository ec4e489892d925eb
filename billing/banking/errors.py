"""Refusals of banking; see `accounts.errors` for what a refusal is."""

from accounts.errors import ConflictError, ProblemError


class StatementError(ProblemError):
    """The file is no bank statement that can be read; `detail` says why."""

    code = "bank_statement"
    title = "The bank statement cannot be read"


class StatementKnownError(ConflictError):
    """The same file was imported before."""

    code = "bank_statement_known"
    title = "The bank statement was imported before"


class EntryStateError(ConflictError):
    """The entry of the statement is not in a state that allows this."""

    code = "bank_entry_state"
    title = "The entry's state does not allow this"
