"""Errors of the lake app; see `accounts.errors`."""

from accounts.errors import ProblemError, StoreUnavailableError


class InvalidSqlError(ProblemError):
    """The text is not one SELECT that can be run over these tables."""

    code = "invalid_sql"
    title = "The query could not be run"


class SqlBusyError(StoreUnavailableError):
    """As many queries run already as this process runs at once."""

    code = "sql_busy"
    title = "Other queries are running"


class LakeUnavailableError(Exception):
    """The lake cannot be used: its libraries are not installed, or no place is set for it. The text is a sentence."""


class LakeMismatchError(Exception):
    """The lake does not hold what the ledger holds, or something would be lost. The text is a sentence."""
