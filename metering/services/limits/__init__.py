"""Throttles and quotas, enforced in the same step that stores the event. `docs/limits.md` says what holds when."""
