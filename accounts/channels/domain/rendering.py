"""Messages in the form that each service takes. Pure.

Titles and texts hold names that customers and their users chose. So each form uses the service's plain text if there is
one, and escapes otherwise: no name mentions a whole channel, becomes a link or ends a block.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from accounts.channels.domain.messages import ChannelText
from accounts.channels.domain.types import ChannelType
from accounts.domain.plain import plain_instant

JSON: Final[Mapping[str, str]] = MappingProxyType({"content-type": "application/json"})
# Shorter than the limit of each service.
TITLE_MAX: Final = 140
TEXT_MAX: Final = 2500
_MARKDOWN: Final = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~])")
_WORD_JOINER: Final = "\u2060"
_OPEN: Final = "Open"


@dataclass(frozen=True, slots=True)
class OutgoingRequest:
    """A request of a channel. The URL may be a secret."""

    url: str = field(repr=False)
    body: bytes
    headers: Mapping[str, str]


def rendered(channel_type: ChannelType, url: str, text: ChannelText) -> OutgoingRequest:
    """Return the request that tells the text. A webhook's is signed besides, and a mail is none."""
    if channel_type is ChannelType.NTFY:
        return _ntfy(url, text)
    return OutgoingRequest(url, _body(_FORMS[channel_type](text)), JSON)


def webhook_data(text: ChannelText) -> dict[str, object]:
    """Return the `data` of a webhook channel's message."""
    return {
        "title": text.title,
        "text": text.text,
        "url": text.url,
        "about": text.about,
        "is_test": text.is_test,
        "notices": [
            {
                "id": one.id,
                "kind": one.kind,
                "title": one.title,
                "text": one.text,
                "url": one.url,
                "at": plain_instant(one.at),
            }
            for one in text.notices
        ],
    }


def _slack(text: ChannelText) -> dict[str, Any]:
    blocks: list[dict[str, Any]] = [{"type": "header", "text": _slack_plain(text.title, TITLE_MAX)}]
    if text.text:
        blocks.append({"type": "section", "text": _slack_plain(text.text, TEXT_MAX)})
    button = {"type": "button", "text": _slack_plain(_OPEN, TITLE_MAX), "url": text.url}
    blocks.append({"type": "actions", "elements": [button]})
    blocks.append({"type": "context", "elements": [_slack_plain(text.about, TITLE_MAX)]})
    return {"text": escape(_cut(text.title, TITLE_MAX), quote=False), "blocks": blocks}


def _slack_plain(text: str, characters_max: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": _cut(text, characters_max), "emoji": False}


def _discord(text: ChannelText) -> dict[str, Any]:
    embed = {
        "title": _without_markdown(_cut(text.title, TITLE_MAX)),
        "description": _without_markdown(_cut(text.text, TEXT_MAX // 2)),
        "url": text.url,
        "timestamp": plain_instant(text.at),
        "footer": {"text": _cut(text.about, TITLE_MAX)},
    }
    return {"embeds": [embed], "allowed_mentions": {"parse": []}}


def _teams(text: ChannelText) -> dict[str, Any]:
    body = [_teams_run(_cut(text.title, TITLE_MAX), weight="Bolder", size="Medium")]
    body += [_teams_run(line) for line in _cut(text.text, TEXT_MAX).split("\n") if line]
    body.append(_teams_run(_cut(text.about, TITLE_MAX), isSubtle=True, size="Small"))
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "actions": [{"type": "Action.OpenUrl", "title": _OPEN, "url": text.url}],
    }
    content = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return {"type": "message", "attachments": [content]}


def _teams_run(text: str, **look: object) -> dict[str, Any]:
    """Return a paragraph of plain text: a `TextBlock` would read Markdown."""
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **look}]}


def _google_chat(text: ChannelText) -> dict[str, Any]:
    paragraph = escape(_cut(text.text, TEXT_MAX)).replace("\n", "<br>")
    widgets: list[dict[str, Any]] = [{"textParagraph": {"text": paragraph}}] if paragraph else []
    widgets.append({"buttonList": {"buttons": [{"text": _OPEN, "onClick": {"openLink": {"url": text.url}}}]}})
    header = {"title": _cut(text.title, TITLE_MAX), "subtitle": _cut(text.about, TITLE_MAX)}
    card = {"header": header, "sections": [{"widgets": widgets}]}
    return {"cardsV2": [{"cardId": "notice", "card": card}]}


def _mattermost(text: ChannelText) -> dict[str, Any]:
    attachment = {
        "fallback": _cut(text.title, TITLE_MAX),
        "title": _cut(text.title, TITLE_MAX).replace("@", f"@{_WORD_JOINER}"),
        "title_link": text.url,
        "text": _without_markdown(_cut(text.text, TEXT_MAX)),
        "footer": _cut(text.about, TITLE_MAX),
    }
    return {"attachments": [attachment]}


def _ntfy(url: str, text: ChannelText) -> OutgoingRequest:
    """Return the request to the server of a topic: JSON goes to its root, and names the topic."""
    parts = urlsplit(url)
    said = {
        "topic": unquote(parts.path.strip("/")),
        "title": _cut(text.title, TITLE_MAX),
        "message": _cut(text.text or text.about, TEXT_MAX),
        "click": text.url,
    }
    query = f"?{parts.query}" if parts.query else ""
    return OutgoingRequest(f"{parts.scheme}://{parts.netloc}/{query}", _body(said), JSON)


_FORMS: Final[Mapping[ChannelType, Callable[[ChannelText], dict[str, Any]]]] = MappingProxyType(
    {
        ChannelType.SLACK: _slack,
        ChannelType.DISCORD: _discord,
        ChannelType.TEAMS: _teams,
        ChannelType.GOOGLE_CHAT: _google_chat,
        ChannelType.MATTERMOST: _mattermost,
        ChannelType.WEBHOOK: webhook_data,
    }
)


def _cut(text: str, characters_max: int) -> str:
    return text if len(text) <= characters_max else f"{text[: characters_max - 1]}…"


def _without_markdown(text: str) -> str:
    """Return the text with the signs of Markdown escaped, and no mention in it."""
    return _MARKDOWN.sub(r"\\\1", text).replace("@", f"@{_WORD_JOINER}")


def _body(said: object) -> bytes:
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
