"""The last use of each key, without a write per request: at most one a minute for each key."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Q

from accounts.domain.short_memory import ShortMemory
from accounts.models import ApiKey

NOTED_EVERY: Final = timedelta(minutes=1)
_noted: ShortMemory[UUID, bool] = ShortMemory(NOTED_EVERY)


def note_key_use(*, key_id: UUID, as_of: datetime) -> None:
    """Update `last_used_at` if it is a minute old.

    Other processes update the same key, so the condition is in the UPDATE.
    """
    if _noted.recall(key_id, as_of):
        return
    ApiKey.objects.filter(Q(last_used_at=None) | Q(last_used_at__lte=as_of - NOTED_EVERY), pk=key_id).update(
        last_used_at=as_of
    )
    _noted.keep(key_id, value=True, as_of=as_of)
