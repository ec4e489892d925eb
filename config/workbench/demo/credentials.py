"""The demo's logins and keys, in a file that only its owner may read.

The database stores only digests. If the file is lost, new logins and keys are created.
"""

import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from accounts.domain.api_key import parse_key

PASSWORD_BYTES = 9


@dataclass(slots=True)
class DemoCredentials:
    """The logins and keys that `make run` prints."""

    customer_email: str = ""
    customer_password: str = field(default="", repr=False)
    staff_email: str = ""
    staff_password: str = field(default="", repr=False)
    api_key: str = field(default="", repr=False)
    service_key: str = field(default="", repr=False)
    webhook_secret: str = field(default="", repr=False)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the content of the file. A missing value, or one that is no text, is empty."""
        try:
            stored = json.loads(path.read_text())
        except (OSError, ValueError):
            stored = {}
        known = stored if isinstance(stored, dict) else {}
        return cls(**{name: known[name] for name in cls.__slots__ if isinstance(known.get(name), str)})

    def write(self, path: Path) -> None:
        """Replace the file at once, readable only by its owner."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(self), file, indent=2)
            file.write("\n")
        temporary.replace(path)


def digest_of_stored(secret: str) -> bytes | None:
    """Return the digest by which a stored key is found, or None if the text is no key."""
    parsed = parse_key(secret)
    return None if parsed is None else parsed.digest


def new_password() -> str:
    """Return a password of twelve characters that is easy to type."""
    return secrets.token_urlsafe(PASSWORD_BYTES)
