"""The terms of a channel as a person enters them, checked. Pure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import time
from typing import Final
from urllib.parse import urlsplit

from accounts.channels.domain.quiet import QuietHours
from accounts.channels.domain.types import TYPES, ChannelType, takes_host
from accounts.domain.public_addresses import Network
from accounts.domain.tenant_settings import is_time_zone
from accounts.domain.texts import line_problem
from accounts.errors import FieldError, InvalidFieldsError
from accounts.webhooks.domain.terms import checked_url

CHANNELS_MAX: Final = 20
NAME_CHARACTERS_MAX: Final = 80


@dataclass(frozen=True, slots=True)
class ChannelTerms:
    """What a person chooses for a channel. No `kinds` means all, also those that are added later.

    An empty `url` keeps the stored one, and an empty `time_zone` means that of the organisation. With `digest_at` what
    is not urgent is told once a day at this time.
    """

    name: str
    url: str = field(default="", repr=False)
    kinds: tuple[str, ...] = ()
    quiet: QuietHours | None = None
    digest_at: time | None = None
    time_zone: str = ""


def checked_terms(terms: ChannelTerms, *, known_kinds: Collection[str]) -> None:
    """Raise `InvalidFieldsError`, which names each field that is refused, unless all of them can be stored."""
    found = (
        line_problem(terms.name, pointer="/name", characters_max=NAME_CHARACTERS_MAX, is_required=True),
        _problem_of_kinds(terms.kinds, known_kinds),
        _problem_of_quiet(terms.quiet),
        _problem_of_zone(terms.time_zone),
    )
    problems = tuple(one for one in found if one is not None)
    if problems:
        raise InvalidFieldsError(problems[0].detail, field_errors=problems)


def checked_channel_url(channel_type: ChannelType, url: str, allowed: Sequence[Network]) -> None:
    """Raise `InvalidFieldsError` unless a channel of this type may send to the URL."""
    target, terms = checked_url(url, allowed), TYPES[channel_type]
    if not takes_host(channel_type, target.host):
        _refuse(f"This is no address of {terms.label}. {terms.hint}")
    if terms.is_https_only and target.scheme != "https":
        _refuse("The URL is a secret, so it must begin with https://.")
    if channel_type is ChannelType.NTFY and not _is_topic(urlsplit(target.url).path):
        _refuse(f"The path is the name of one topic. {terms.hint}")


def _is_topic(path: str) -> bool:
    topic = path.strip("/")
    return bool(topic) and "/" not in topic


def _problem_of_kinds(kinds: Iterable[str], known: Collection[str]) -> FieldError | None:
    unknown = next((kind for kind in kinds if kind not in known), None)
    return None if unknown is None else FieldError("/kinds", "unknown_kind", "There is no such kind of notice.")


def _problem_of_quiet(quiet: QuietHours | None) -> FieldError | None:
    if quiet is not None and quiet.begins == quiet.ends:
        return FieldError("/quiet_ends", "invalid", "Quiet hours end at another time than they begin.")
    return None


def _problem_of_zone(name: str) -> FieldError | None:
    if name and not is_time_zone(name):
        return FieldError("/time_zone", "invalid", "An IANA time zone, such as Europe/Brussels.")
    return None


def _refuse(detail: str) -> None:
    raise InvalidFieldsError(detail, field_errors=(FieldError("/url", "invalid_url", detail),), code="invalid_url")
