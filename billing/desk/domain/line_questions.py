"""Questions of customers about lines of their invoices: their states, and how events are named in a form. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

EVENTS_MAX: Final = 50
REASON_CHARACTERS_MAX: Final = 1000
ID_CHARACTERS_MAX: Final = 255
SOURCE_CHARACTERS_MAX: Final = 1024
_BETWEEN: Final = "\t"


class QuestionStatus(StrEnum):
    """A question is open until staff decide it or the customer withdraws it.

    Accepted: a credit note, and the named events are void. Answered: explained, nothing changed. Rejected: refused.
    """

    OPEN = "open"
    ACCEPTED = "accepted"
    ANSWERED = "answered"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


QUESTION_TRANSITIONS: Final[Mapping[QuestionStatus, frozenset[QuestionStatus]]] = {
    QuestionStatus.OPEN: frozenset(QuestionStatus) - {QuestionStatus.OPEN},
    QuestionStatus.ACCEPTED: frozenset(),
    QuestionStatus.ANSWERED: frozenset(),
    QuestionStatus.REJECTED: frozenset(),
    QuestionStatus.WITHDRAWN: frozenset(),
}


@dataclass(frozen=True, slots=True, order=True)
class EventName:
    """What names an event in a tenant's ledger: its id, and its source if it came as a CloudEvent."""

    id: str
    source: str = ""

    @property
    def is_possible(self) -> bool:
        """Return whether an event can have this name."""
        return len(self.id) <= ID_CHARACTERS_MAX and len(self.source) <= SOURCE_CHARACTERS_MAX


def names_in(text: str) -> list[EventName]:
    """Parse the lines of a form, one event a line, each once in the order given."""
    lines = (line.strip(" \r").partition(_BETWEEN) for line in text.split("\n"))
    return list(dict.fromkeys(EventName(id_, source) for id_, _, source in lines if id_))


def stored_names(names: Sequence[EventName]) -> list[dict[str, str]]:
    """Return the names as they are stored."""
    return [{"id": name.id, "source": name.source} for name in names]


def names_of_stored(stored: Sequence[Mapping[str, str]]) -> list[EventName]:
    """Return stored names as values."""
    return [EventName(one["id"], one["source"]) for one in stored]
