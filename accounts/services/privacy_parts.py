"""What each app adds to an export of a tenant, to the erasure of a person, and to the nightly clean-up.

`settings.PRIVACY_PARTS` names them, in the order in which they are called: an app that keeps something is one line
there.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils.module_loading import import_string

from accounts.models import Tenant
from accounts.selectors.table_rows import pages_of

Rows = Iterator[Sequence[dict[str, object]]]


@dataclass(frozen=True, slots=True)
class ExportedRows:
    """A file of rows: `….json` is one array, `….ndjson.gz` a row a line. `pages` reads them, a page at a time."""

    name: str
    pages: Callable[[], Rows]


@dataclass(frozen=True, slots=True)
class ExportedDocument:
    """A file that is kept as it is."""

    name: str
    read: Callable[[], bytes]


ExportPiece = ExportedRows | ExportedDocument


@dataclass(frozen=True, slots=True)
class ErasedPerson:
    """A person who is being erased: the addresses by which rows name them, and what they say afterwards."""

    user_id: int
    addresses: frozenset[str]
    pseudonym: str

    def is_named(self, text: str) -> bool:
        """Return whether `text` is one of the person's addresses."""
        return text.casefold() in self.addresses

    def without(self, text: str) -> str:
        """Return a label of several words with the pseudonym in the place of each address."""
        return " ".join(self.pseudonym if self.is_named(word) else word for word in text.split(" "))


class PrivacyPart:
    """One app's part; each has only what concerns it."""

    def files(self, *, tenant: Tenant) -> Iterable[ExportPiece]:
        """Return the files that hold what the app keeps of a tenant, and of no other."""
        del tenant
        return ()

    def forget(self, *, person: ErasedPerson) -> None:
        """Put the pseudonym in the place of the person, in the transaction of the erasure."""

    def clean_up(self, *, as_of: datetime) -> dict[str, int]:
        """Delete what is older than its setting allows, and return how many rows of each kind went."""
        del as_of
        return {}


def privacy_parts() -> list[PrivacyPart]:
    """Return the parts of the composed application."""
    return [import_string(path)() for path in settings.PRIVACY_PARTS]


def exported_table(name: str, rows: QuerySet[Any], /, *fields: str, **renamed: str) -> ExportedRows:
    """Return a file of these columns of a table's rows."""
    return ExportedRows(name, partial(pages_of, rows, *fields, **renamed))
