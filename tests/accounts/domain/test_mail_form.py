"""The form of mails: styles in each element, addresses as links, a foot with the reason."""

import pytest

from accounts.domain.mail_form import (
    COLOUR,
    MailFoot,
    checked_colour,
    contrast_with_white,
    html_of_text,
    styled,
    with_foot,
)
from accounts.errors import InvalidFieldsError


def test_each_element_carries_its_style_and_the_button_the_sellers_colour() -> None:
    html = styled(
        '<h1>A</h1><p class="muted">b</p><a class="button" href="x">c</a><a href="y">d</a><pre>e</pre>', "#123456"
    )
    assert html.startswith('<h1 style="margin:0 0 16px')
    assert '<p class="muted" style="margin:0 0 8px' in html
    assert "background:#123456" in html
    assert html.endswith('<a href="y">d</a><pre>e</pre>')


def test_a_plain_text_becomes_paragraphs_whose_addresses_are_links_and_nothing_else_is_markup() -> None:
    html = html_of_text("Hi <b>Ann</b>,\n\nopen https://x.example/a?b=1&c=2 now\n")
    link = "https://x.example/a?b=1&amp;c=2"
    assert html == f'<p>Hi &lt;b&gt;Ann&lt;/b&gt;,</p>\n<p>open <a href="{link}">{link}</a> now</p>'


def test_the_foot_says_why_and_where_to_stop() -> None:
    foot = MailFoot("Because.", "https://x.example/stop")
    assert with_foot("Text\n", foot, "Seller\n") == (
        "Text\n\n-- \nBecause.\nStop mails of this kind: https://x.example/stop\nSeller\n"
    )
    assert with_foot("Text", MailFoot(""), "") == "Text"


@pytest.mark.parametrize("colour", ["green", "#12345", "#ffff00", "#123456;x"])
def test_a_colour_that_is_none_or_too_light_is_refused(colour: str) -> None:
    with pytest.raises(InvalidFieldsError):
        checked_colour(colour)


def test_a_dark_colour_is_kept_in_small_letters() -> None:
    assert checked_colour(" #1D4D3A ") == COLOUR
    assert round(contrast_with_white("#000000")) == 21
    assert round(contrast_with_white("#ffffff")) == 1
