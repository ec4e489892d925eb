"""Why nothing could be started, in one sentence."""


class RunnerError(RuntimeError):
    """The message tells a human what is wrong and what to do about it."""
