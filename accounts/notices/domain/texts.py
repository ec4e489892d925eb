"""The text of a notice, from the text of its mail. Pure."""

from typing import Final

PARAGRAPHS: Final = 2
_ADDRESS: Final = "://"


def beginning_of(text: str, *, besides: str = "") -> str:
    """Return the first paragraphs of a mail that hold no address and do not repeat its subject.

    Addresses stay out: some of them open a page without signing in.
    """
    paragraphs = (" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
    kept = [one for one in paragraphs if one and _ADDRESS not in one and one.rstrip(".") != besides.rstrip(".")]
    return "\n".join(kept[:PARAGRAPHS])
