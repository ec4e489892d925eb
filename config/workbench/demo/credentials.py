"""The demonstration's logins and keys, in a file that only its owner reads.

The database keeps digests alone, so what is lost with the file is made anew.
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
    """What `make run` prints."""

    customer_email: str = ""
    customer_password: str = field(default="", repr=False)
    staff_email: str = ""
    staff_password: str = field(default="", repr=False)
    api_key: str = field(default="", repr=False)
    service_key: str = field(default="", repr=False)

    @classmethod
    def read(cls, path: Path) -> Self:
        """What the file holds; whatever is missing or no text stays empty."""
        try:
            stored = json.loads(path.read_text())
        except (OSError, ValueError):
            stored = {}
        known = stored if isinstance(stored, dict) else {}
        return cls(**{name: known[name] for name in cls.__slots__ if isinstance(known.get(name), str)})

    def write(self, path: Path) -> None:
        """Replace the file at once, readable by its owner alone."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(self), file, indent=2)
            file.write("\n")
        temporary.replace(path)


def digest_of_stored(secret: str) -> bytes | None:
    """The digest by which a stored key is found, or None where the text is no key."""
    parsed = parse_key(secret)
    return None if parsed is None else parsed.digest


def new_password() -> str:
    """Twelve characters that one can still type."""
    return secrets.token_urlsafe(PASSWORD_BYTES)
