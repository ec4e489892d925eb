from tests.metering.rolled_back import nothing_remembered, rolled_back

__all__ = ["nothing_remembered", "rolled_back"]
