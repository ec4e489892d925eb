"""Errors of the runner, each in one sentence."""


class RunnerError(RuntimeError):
    """The message says what is wrong and what to do about it."""
