"""The protocol by which a provider's folder reads its settings; `config.environment`, an app above, implements it."""

from typing import Protocol


class ReadsEnvironment(Protocol):
    """Typed reads of environment variables; a wrong value is refused with a sentence."""

    def text(self, name: str, default: str = "") -> str:
        """Return the value without surrounding blanks."""

    def number(self, name: str, default: int, *, lowest: int, highest: int) -> int:
        """Return a whole number between two bounds."""

    def uuid(self, name: str, default: str = "") -> str:
        """Return a UUID in its usual form, or nothing."""
