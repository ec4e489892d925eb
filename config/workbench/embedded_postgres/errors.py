"""What can go wrong with the embedded server, said in one sentence to a human."""


class EmbeddedPostgresError(RuntimeError):
    """The embedded server cannot be had; the message says why and what to do."""
