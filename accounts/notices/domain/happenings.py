"""What may be told: each type of happening is a frozen dataclass in the `domain/` of the app that has it to tell."""

from typing import ClassVar, Protocol
from uuid import UUID


class Happening(Protocol):
    """Something that happened to a tenant, as a webhook tells it.

    Of two with the same `dedupe_key` the first is kept.
    """

    type: ClassVar[str]

    @property
    def tenant_id(self) -> UUID:
        """Whom it is told."""

    @property
    def dedupe_key(self) -> str:
        """The one name of this happening, its type in front."""

    def as_body(self) -> dict[str, object]:
        """Return the `data` of the webhook."""
