"""Find and mask secrets in text, by the shape that each kind has.

`mask_secrets` masks every log line, every error page and every row with a stranger's text. `find_secrets` finds what a
dump, a log or a mail must not contain. Masking is generous: a mistyped key is masked too. Finding is exact, our own
keys by their checksum, so that a page of documentation raises no alarm.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from accounts.domain.api_key import parse_key, prefix_of

MASK: Final = "…"

# People recognize keys by their first characters, so these stay. A text of 20 of a key's 38 characters is masked
# already: a key that was cut short reveals most of itself.
_OWN_KEY: Final = re.compile(r"ch_(?:live|test|svc)_[0-9A-Za-z]{20,}", re.ASCII)
_OWN_KEY_WHOLE: Final = re.compile(r"ch_(?:live|test|svc)_[0-9A-Za-z]{38}", re.ASCII)
_PROVIDER_KEY: Final = re.compile(r"(?P<kept>(?:sk|rk)_(?:live|test)_)[0-9A-Za-z]{10,}", re.ASCII)
# Paddle's API keys and webhook secrets.
_PADDLE_SECRET: Final = re.compile(r"(?P<kept>pdl_(?:(?:live|sdbx)_apikey|ntfset)_)[0-9A-Za-z_+/=-]{10,}", re.ASCII)
_WEBHOOK_SECRET: Final = re.compile(r"(?P<kept>whsec_)[0-9A-Za-z+/=_-]{10,}", re.ASCII)
# A signed JWT, ours or another's; bounded, so that no text takes long.
_ACCESS_TOKEN: Final = re.compile(r"(?P<kept>(?<![\w-])eyJ)[\w-]{10,1500}\.[\w-]{10,3000}\.[\w-]{20,1000}", re.ASCII)
# 160 bits in base32, as allauth makes them; a word of prose never has that length in capitals.
_TOTP_SECRET: Final = re.compile(r"(?P<kept>(?<![0-9A-Za-z]))[A-Z2-7]{32}(?![0-9A-Za-z])", re.ASCII)
_INVITATION: Final = re.compile(r"(?P<kept>/invitations/)[\w-]{43}(?![\w-])", re.ASCII)
# A link that pays one invoice: masked in logs, but no secret in the mail that brings it.
_PAYMENT_LINK: Final = re.compile(r"(?P<kept>/pay/)[\w=-]{20,}(?::[\w-]{20,})?", re.ASCII)
# The password of an address such as postgres://user:password@host; bounded, so that no text takes long.
_PASSWORD_IN_ADDRESS: Final = re.compile(r"(?P<kept>://[^\s/:@'\"]{0,64}:)[^\s/@'\"…]{1,128}(?=@)", re.ASCII)

# What each secret holds: a text without any of it, as most are, is searched once.
_MAY_HOLD: Final = re.compile("_|eyJ|[A-Z2-7]{32}|/invitations/|/pay/|://", re.ASCII)

_SHAPES: Final = {
    "Stripe key": _PROVIDER_KEY,
    "Paddle secret": _PADDLE_SECRET,
    "webhook secret": _WEBHOOK_SECRET,
    "access token": _ACCESS_TOKEN,
    "TOTP secret": _TOTP_SECRET,
    "invitation": _INVITATION,
    "password in an address": _PASSWORD_IN_ADDRESS,
}


@dataclass(frozen=True, slots=True)
class FoundSecret:
    """A secret in a text that should have none: its kind, the position it begins at, and its text."""

    kind: str
    position: int
    text: str


def mask_secrets(text: str) -> str:
    """Return the text with each secret in it masked."""
    if not _MAY_HOLD.search(text):
        return text
    if "ch_" in text:
        text = _OWN_KEY.sub(lambda found: prefix_of(found[0]) + MASK, text)
    for shape in (*_SHAPES.values(), _PAYMENT_LINK):
        text = shape.sub(_masked, text)
    return text


def find_secrets(text: str) -> Iterator[FoundSecret]:
    """Yield each secret in the text: our own keys with a right checksum, and what has the shape of another secret."""
    for found in _OWN_KEY_WHOLE.finditer(text):
        if parse_key(found[0]) is not None:
            yield FoundSecret("API key", found.start(), found[0])
    for kind, shape in _SHAPES.items():
        for found in shape.finditer(text):
            yield FoundSecret(kind, found.start(), found[0])


def _masked(found: re.Match[str]) -> str:
    return found["kept"] + MASK
