"""Converters of paths."""


class EventIdConverter:
    """An event's id, which may contain any character: slashes and line ends too."""

    regex = r"[\s\S]+"

    def to_python(self, value: str) -> str:
        """Return the id unchanged."""
        return value

    def to_url(self, value: str) -> str:
        """Return the id unchanged; Django percent-encodes it."""
        return value
