"""A client's limits in headers: draft-ietf-httpapi-ratelimit-headers, and `Retry-After` with a 429."""

from collections.abc import Sequence
from datetime import datetime

from accounts.errors import ProblemError
from metering.domain.limit_policy import Decision, LimitRefusal
from metering.domain.limits import LimitState, rate_limit_header, rate_limit_policy_header, retry_after
from metering.errors import BudgetExceededError, QuotaExceededError, ThrottledError


def rate_limit_headers(limits: Sequence[LimitState], as_of: datetime) -> dict[str, str]:
    """Return both headers; none if nothing limits the client."""
    if not limits:
        return {}
    return {"RateLimit-Policy": rate_limit_policy_header(limits), "RateLimit": rate_limit_header(limits, as_of)}


def refusal_error(decision: Decision, as_of: datetime) -> ProblemError:
    """Return the 429 of a refused request, with all its headers."""
    headers = {**rate_limit_headers(decision.limits, as_of), "Retry-After": retry_after(decision.wait_microseconds)}
    if decision.refusal is LimitRefusal.THROTTLED:
        return ThrottledError(f"The limit {decision.refused_by} allows no more requests right now.", headers=headers)
    if decision.refusal is LimitRefusal.BUDGET_EXCEEDED:
        detail = f"The limit {decision.refused_by}, which your organisation set, is reached until its period ends."
        return BudgetExceededError(detail, headers=headers)
    return QuotaExceededError(f"The limit {decision.refused_by} is used up until its period ends.", headers=headers)


def limits_body(limits: Sequence[LimitState]) -> list[dict[str, object]]:
    """Return the contract's `limits`."""
    return [
        {"name": state.name, "limit": state.limit, "remaining": state.remaining, "resets_at": state.resets_at}
        for state in limits
    ]
