"""How long a session lasts: from its last activity, and in all."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """The limits, counted from instants stored in the session."""

    idle: timedelta
    lifetime: timedelta

    def reason_to_end(self, *, began_at: datetime, seen_at: datetime, as_of: datetime) -> str | None:
        """Return `idle` or `lifetime` if the session is over, else None."""
        if as_of - seen_at >= self.idle:
            return "idle"
        return "lifetime" if as_of - began_at >= self.lifetime else None
