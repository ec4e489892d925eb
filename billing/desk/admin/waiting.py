"""What the pages of the desk say where an act waits for a colleague."""

from billing.desk.models import Approval

WAITS = "It waits for a colleague, who finds it under Approvals."


def said_or_waits(done: object, said: str) -> str:
    """Return what was done, or that it waits for a colleague."""
    return WAITS if isinstance(done, Approval) else said
