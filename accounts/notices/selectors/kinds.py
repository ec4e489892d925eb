"""The registry of kinds of notices: what pages, mails and channels know of them."""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from django.conf import settings
from django.utils.module_loading import import_string

from accounts.notices.domain.mails import MailKind


def notice_kinds() -> Mapping[str, MailKind]:
    """Return the kinds that `settings.NOTICE_KINDS` names, by name, in that order."""
    return _kinds(tuple(settings.NOTICE_KINDS))


def kind_named(name: str) -> MailKind:
    """Return the kind with this name. Raises `LookupError` if none is registered."""
    return notice_kinds()[name]


def label_of(name: str) -> str:
    """Return the name of a kind for people, also of one that is no longer registered."""
    kind = notice_kinds().get(name)
    return name.replace("_", " ").capitalize() if kind is None else kind.label


@lru_cache(maxsize=4)
def _kinds(paths: tuple[str, ...]) -> Mapping[str, MailKind]:
    kinds = [import_string(path) for path in paths]
    assert all(isinstance(kind, MailKind) for kind in kinds), "each path names a kind"
    named = {kind.name: kind for kind in kinds}
    assert len(named) == len(kinds), "each kind has a name of its own"
    return MappingProxyType(named)
