"""Fixtures of the races."""

from tests.concurrency.authorize_rig import rig, workers

__all__ = ["rig", "workers"]
