"""Whose usage a limit counts: the tenant's, a key's, or that of each subject.

A store names a scope by 128 bits. A subject's are a digest of its text, so no subject is too long for a key of a store.
"""

from enum import StrEnum
from hashlib import sha256
from typing import Final
from uuid import UUID

# Stands for every subject: in a limit before the subject is known; and in a store, as the mark that no subject's
# counter is missing.
SUBJECTS_SCOPE: Final = UUID(int=1)
_BYTES: Final = 16


class LimitScope(StrEnum):
    """Whose usage a limit of a usage plan counts."""

    TENANT = "tenant"
    SUBJECT = "subject"


def subject_scope(subject: str) -> UUID:
    """Return the scope of a subject."""
    return _scope("subject", subject)


def event_type_scope(scope_id: UUID, event_type: str) -> UUID:
    """Return the scope of a throttle for one type of events only."""
    return _scope("type", scope_id.hex, event_type)


def _scope(*parts: str) -> UUID:
    return UUID(bytes=sha256("\0".join(parts).encode()).digest()[:_BYTES])
