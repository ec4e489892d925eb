"""The form of each service; a name that a stranger chose mentions no one, links to nothing and breaks nothing."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.channels.domain.messages import ChannelText, ToldNotice, text_of_notice
from accounts.channels.domain.rendering import TEXT_MAX, TITLE_MAX, rendered
from accounts.channels.domain.types import ChannelType
from tests.accounts.channels.world import URLS

AT = datetime(2026, 3, 10, 8, 5, tzinfo=UTC)
FORMS = [kind for kind in ChannelType if kind is not ChannelType.MAIL]
HOSTILE = "<!channel> @everyone @here <https://evil.example|bill> [bill](https://evil.example) *x* `y` &amp; <b>"


def text_of(title: str, text: str = "Text") -> ChannelText:
    notice = ToldNotice("1", "usage_alert", "Usage alerts", title, text, "https://x.example/t/acme/", AT)
    return text_of_notice(notice, organisation="Acme")


def said(kind: ChannelType, title: str, text: str = "Text") -> Any:
    return json.loads(rendered(kind, URLS[kind], text_of(title, text)).body)


def test_slack_has_plain_text_and_an_escaped_fallback() -> None:
    body = said(ChannelType.SLACK, HOSTILE, HOSTILE)
    assert "<" not in body["text"]
    texts = [block["text"] for block in body["blocks"] if "text" in block] + body["blocks"][-1]["elements"]
    assert {text["type"] for text in texts} == {"plain_text"}


def test_discord_mentions_nobody_and_reads_no_markdown() -> None:
    body = said(ChannelType.DISCORD, HOSTILE, HOSTILE)
    assert body["allowed_mentions"] == {"parse": []}
    [embed] = body["embeds"]
    for text in (embed["title"], embed["description"]):
        assert "@everyone" not in text
        assert "\\[bill\\]\\(" in text


def test_teams_has_runs_of_plain_text() -> None:
    [attachment] = said(ChannelType.TEAMS, HOSTILE, HOSTILE)["attachments"]
    body = attachment["content"]["body"]
    assert {block["type"] for block in body} == {"RichTextBlock"}
    assert {run["type"] for block in body for run in block["inlines"]} == {"TextRun"}
    assert body[0]["inlines"][0]["text"] == HOSTILE


def test_google_chat_and_mattermost_escape_what_they_would_read() -> None:
    [card] = said(ChannelType.GOOGLE_CHAT, HOSTILE, HOSTILE)["cardsV2"]
    assert "<b>" not in card["card"]["sections"][0]["widgets"][0]["textParagraph"]["text"]
    [attachment] = said(ChannelType.MATTERMOST, HOSTILE, HOSTILE)["attachments"]
    assert "@here" not in attachment["text"] + attachment["title"]


def test_ntfy_posts_to_the_servers_root_and_names_the_topic() -> None:
    request = rendered(ChannelType.NTFY, "https://ntfy.sh/my%20topic?auth=x", text_of("T"))
    assert request.url == "https://ntfy.sh/?auth=x"
    assert json.loads(request.body)["topic"] == "my topic"


def test_a_webhook_has_the_notice_with_its_kind_and_time() -> None:
    body = said(ChannelType.WEBHOOK, "80 %")
    assert body["notices"] == [
        {
            "id": "1",
            "kind": "usage_alert",
            "title": "80 %",
            "text": "Text",
            "url": "https://x.example/t/acme/",
            "at": "2026-03-10T08:05:00Z",
        }
    ]


@pytest.mark.parametrize("kind", FORMS)
@given(title=st.text(max_size=400), text=st.text(max_size=4000))
def test_any_text_is_a_bounded_request_of_valid_json(kind: ChannelType, title: str, text: str) -> None:
    body = rendered(kind, URLS[kind], text_of(title, text)).body
    json.loads(body)
    if kind is not ChannelType.WEBHOOK:
        assert len(body) < 6 * 4 * (TITLE_MAX + TEXT_MAX) + 3000


def test_the_url_is_not_in_what_is_logged_of_a_request() -> None:
    assert "sealed-part" not in repr(rendered(ChannelType.SLACK, URLS[ChannelType.SLACK], text_of("T")))
