"""The parts of apps in an export of a tenant, the erasure of a person, and the nightly clean-up.

`settings.PRIVACY_PARTS` names them, in the order in which they are called: an app that stores personal data is one line
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
    """A file of rows: `….json` is one array, `….ndjson.gz` one row per line. `pages` reads them, a page at a time."""

    name: str
    pages: Callable[[], Rows]


@dataclass(frozen=True, slots=True)
class ExportedDocument:
    """A file that is exported as it is stored."""

    name: str
    read: Callable[[], bytes]


ExportPiece = ExportedRows | ExportedDocument


@dataclass(frozen=True, slots=True)
class ErasedPerson:
    """A person who is being erased: the addresses by which rows name them, and the pseudonym that replaces them."""

    user_id: int
    addresses: frozenset[str]
    pseudonym: str

    def is_named(self, text: str) -> bool:
        """Return whether `text` is one of the person's addresses."""
        return text.casefold() in self.addresses

    def without(self, text: str) -> str:
        """Return a label of several words with each address replaced by the pseudonym."""
        return " ".join(self.pseudonym if self.is_named(word) else word for word in text.split(" "))


class PrivacyPart:
    """One app's part. A subclass overrides only what concerns it."""

    def files(self, *, tenant: Tenant) -> Iterable[ExportPiece]:
        """Return the files with the app's data about the tenant, and about no other."""
        del tenant
        return ()

    def forget(self, *, person: ErasedPerson) -> None:
        """Replace the person with the pseudonym, in the transaction of the erasure."""

    def clean_up(self, *, as_of: datetime) -> dict[str, int]:
        """Delete what is older than its setting allows, and return how many rows of each kind were deleted."""
        del as_of
        return {}


def privacy_parts() -> list[PrivacyPart]:
    """Return the parts of the composed application."""
    return [import_string(path)() for path in settings.PRIVACY_PARTS]


def exported_table(name: str, rows: QuerySet[Any], /, *fields: str, **renamed: str) -> ExportedRows:
    """Return a file with these columns of the rows."""
    return ExportedRows(name, partial(pages_of, rows, *fields, **renamed))
