"""What proofs refuse."""

from accounts.errors import NotFoundError


class ProofKeyUnreadableError(Exception):
    """The key that signs cannot be decrypted: nothing is signed until the operator mends it."""


class DayNotSignedError(NotFoundError):
    """The day has no signed root: it is not over, or nothing was received before it ended."""

    code = "day_not_signed"


class NotProvenYetError(NotFoundError):
    """The event is stored, and its day's tree is not signed yet."""

    code = "not_proven_yet"
