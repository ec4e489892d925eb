"""Errors of the embedded server. Each message is one sentence for a person."""


class EmbeddedPostgresError(RuntimeError):
    """The embedded server is unavailable. The message says why and what to do."""
