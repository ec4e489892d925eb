"""What a channel is told: one notice, the digest of a day, or a test. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

DIGEST_LINES_MAX: Final = 30


@dataclass(frozen=True, slots=True)
class ToldNotice:
    """A notice as channels tell it. `url` is the page that it is about."""

    id: str
    kind: str
    label: str
    title: str
    text: str
    url: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ChannelText:
    """A message, before it has the form of its channel. `about` names the organisation and the kind."""

    title: str
    text: str
    url: str
    about: str
    at: datetime
    notices: tuple[ToldNotice, ...] = ()
    is_test: bool = False


def text_of_notice(notice: ToldNotice, *, organisation: str) -> ChannelText:
    """Return the message about one notice."""
    about = f"{organisation} · {notice.label}"
    return ChannelText(notice.title, notice.text, notice.url, about, notice.at, (notice,))


def text_of_digest(
    notices: Sequence[ToldNotice], *, day: date, organisation: str, url: str, zone: ZoneInfo, at: datetime
) -> ChannelText:
    """Return the message with a line for each notice, the earliest first; of very many, the first lines."""
    assert notices, "a day without notices has no digest"
    lines = [f"{one.at.astimezone(zone):%H:%M} {one.title}" for one in notices[:DIGEST_LINES_MAX]]
    if len(notices) > DIGEST_LINES_MAX:
        lines.append(f"… and {len(notices) - DIGEST_LINES_MAX} more")
    number = f"{len(notices)} notice{'' if len(notices) == 1 else 's'}"
    title = f"{number} until {day.day} {day:%B %Y}"
    return ChannelText(title, "\n".join(lines), url, f"{organisation} · Daily digest", at, tuple(notices))


def text_of_test(*, name: str, organisation: str, url: str, at: datetime) -> ChannelText:
    """Return the message of the test button."""
    title = "Test message"
    text = f"The channel “{name}” works. Notices of {organisation} are sent here."
    return ChannelText(title, text, url, organisation, at, is_test=True)
