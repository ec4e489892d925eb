"""Notices: stored in the transaction that they report, with a row for each member whose role may see them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from accounts.domain.identifiers import uuid7
from accounts.notices.selectors.kinds import kind_named
from accounts.sql import as_json, fetch_all

TITLE_CHARACTERS_MAX: Final = 300
TEXT_CHARACTERS_MAX: Final = 600

# Of two with one key the first is told. A member who joins later is not told what happened before.
ADD_NOTICES: Final = """
WITH given AS (
    SELECT * FROM jsonb_to_recordset(%(notices)s::jsonb) AS n(
        id uuid, tenant_id uuid, kind text, dedupe_key text, title text, text text, page text, roles jsonb
    )
), told AS (
    INSERT INTO notices_notice (id, tenant_id, kind, dedupe_key, title, text, page, at)
    SELECT id, tenant_id, kind, dedupe_key, title, text, page, %(as_of)s FROM given
    ON CONFLICT DO NOTHING
    RETURNING id, tenant_id, dedupe_key
), members AS (
    INSERT INTO notices_membernotice (tenant_id, notice_id, membership_id, at)
    SELECT t.tenant_id, t.id, m.id, %(as_of)s
    FROM told AS t JOIN given AS g ON g.id = t.id JOIN accounts_membership AS m ON m.tenant_id = t.tenant_id
    JOIN accounts_user AS u ON u.id = m.user_id
    WHERE u.is_active AND g.roles ? m.role
), queued AS (
    INSERT INTO notices_unroutednotice (notice_id, tenant_id) SELECT id, tenant_id FROM told
)
SELECT dedupe_key FROM told
"""


@dataclass(frozen=True, slots=True)
class NewNotice:
    """A notice to store. Without `page` it links to the page of its kind."""

    tenant_id: UUID
    kind: str
    dedupe_key: str
    title: str
    text: str = ""
    page: str = ""


def notify_members(notices: Iterable[NewNotice], *, as_of: datetime) -> frozenset[str]:
    """Store notices in the caller's transaction, in one statement. Return the keys of those that are new.

    Raises `LookupError` for a kind that is not registered.
    """
    rows = [_row(notice, as_of) for notice in notices]
    if not rows:
        return frozenset()
    return frozenset(key for (key,) in fetch_all(ADD_NOTICES, {"notices": as_json(rows), "as_of": as_of}))


def _row(notice: NewNotice, as_of: datetime) -> dict[str, object]:
    kind = kind_named(notice.kind)
    return {
        "id": uuid7(as_of),
        "tenant_id": notice.tenant_id,
        "kind": notice.kind,
        "dedupe_key": notice.dedupe_key,
        "title": " ".join(notice.title.split())[:TITLE_CHARACTERS_MAX],
        "text": notice.text[:TEXT_CHARACTERS_MAX],
        "page": notice.page or kind.page,
        "roles": sorted(kind.roles_allowed),
    }
