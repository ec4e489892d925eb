"""Why an operation cannot be done, in one sentence."""


class BackupError(RuntimeError):
    """A backup, or its restore, cannot be had; the message says why and what to do."""
