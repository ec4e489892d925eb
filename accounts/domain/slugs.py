"""A tenant's slug: its name in portal addresses and in the `X-Tenant` header."""

import re
import unicodedata
from collections.abc import Iterator
from itertools import count
from typing import Final

SLUG_CHARACTERS_MAX: Final = 50
_SHAPE: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)
_FALLBACK: Final = "tenant"

# Words that would look like a page of ours, or like us, in an address or in a mail.
RESERVED_SLUGS: Final = frozenset(
    {
        "accounts", "admin", "api", "app", "auth", "billing", "countinghouse", "dashboard",
        "demo", "docs", "health", "healthz", "help", "internal", "invoices", "login", "logout",
        "mail", "me", "media", "metrics", "new", "null", "operator", "portal", "readyz", "root",
        "security", "settings", "signup", "staff", "start", "static", "status", "stripe",
        "support", "system", "t", "team", "undefined", "usage", "webhooks", "www",
    }
)  # fmt: skip


def slugify_name(name: str) -> str:
    """Return a slug for a tenant's name: ASCII letters, digits and single hyphens.

    A name without such letters, in another script for instance, becomes `tenant`.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    hyphenated = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
    return hyphenated[:SLUG_CHARACTERS_MAX].rstrip("-") or _FALLBACK


def is_slug(text: str) -> bool:
    """Return whether `text` has a slug's shape and is not reserved."""
    return len(text) <= SLUG_CHARACTERS_MAX and _SHAPE.fullmatch(text) is not None and text not in RESERVED_SLUGS


def slug_candidates(name: str) -> Iterator[str]:
    """Yield slugs for `name` without end, best first, for a caller who takes the first free one."""
    base = slugify_name(name)
    if is_slug(base):
        yield base
    suffixes = (f"-{number}" for number in count(2))
    yield from (base[: SLUG_CHARACTERS_MAX - len(suffix)].rstrip("-") + suffix for suffix in suffixes)
