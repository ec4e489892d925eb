"""Throttles and quotas, enforced in the same step that stores the event. See `docs/limits.md`."""
