"""The codes by which clients, prices and quotas name meters, event types and usage plans."""

import re
from collections.abc import Iterator
from typing import Final

from accounts.errors import FieldError

CODE_PATTERN: Final = r"[a-z][a-z0-9_.:-]{0,99}"
CODE_RULE: Final = "Lower-case letters, digits and _ . : - only, beginning with a letter."
_CODE: Final = re.compile(CODE_PATTERN, re.ASCII)


PRODUCT_CODE_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}"
PRODUCT_CODE_RULE: Final = "Letters, digits and _ . : - only, beginning with a letter or a digit."
_PRODUCT_CODE: Final = re.compile(PRODUCT_CODE_PATTERN, re.ASCII)


def product_code_errors(code: str) -> Iterator[FieldError]:
    """Yield the faults of a new product code."""
    if not _PRODUCT_CODE.fullmatch(code):
        yield FieldError("/code", "invalid_code", PRODUCT_CODE_RULE)


def code_errors(code: str) -> Iterator[FieldError]:
    """Yield the faults of a new code."""
    if not _CODE.fullmatch(code):
        yield FieldError("/code", "invalid_code", CODE_RULE)
