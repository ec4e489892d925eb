"""Errors of operations. Each message says the reason in one sentence."""


class BackupError(RuntimeError):
    """A backup or its restore is not possible. The message says why and what to do."""
