"""What the pages of the API's calls need: examples as JSON, and `code` inside of a sentence."""

import json

from django import template
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe

register = template.Library()


@register.filter
def as_json(value: object) -> str:
    """Return a value as indented JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


@register.filter
def marked(text: str) -> SafeString:
    """Return a sentence with what is between backticks as code."""
    opening, closing = mark_safe("<code>"), mark_safe("</code>")
    parts = text.split("`")
    return format_html_join(
        "",
        "{}{}{}",
        ((opening, part, closing) if position % 2 else ("", part, "") for position, part in enumerate(parts)),
    )
