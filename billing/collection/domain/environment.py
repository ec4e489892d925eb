"""What a provider's folder needs to read its own settings: the look-ups of `config.environment`, which stands above."""

from typing import Protocol


class ReadsEnvironment(Protocol):
    """Typed look-ups; a wrong value is refused with a sentence."""

    def text(self, name: str, default: str = "") -> str:
        """Return the value without surrounding blanks."""

    def uuid(self, name: str, default: str = "") -> str:
        """Return a UUID in its usual form, or nothing."""
