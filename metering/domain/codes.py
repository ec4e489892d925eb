"""The codes by which clients, prices and quotas name meters, event types and usage plans."""

import re
from collections.abc import Iterator
from typing import Final

from accounts.errors import FieldError

CODE_PATTERN: Final = r"[a-z][a-z0-9_.:-]{0,99}"
CODE_RULE: Final = "Lower-case letters, digits and _ . : - only, beginning with a letter."
_CODE: Final = re.compile(CODE_PATTERN, re.ASCII)


def code_errors(code: str) -> Iterator[FieldError]:
    """Yield the faults of a new code."""
    if not _CODE.fullmatch(code):
        yield FieldError("/code", "invalid_code", CODE_RULE)
