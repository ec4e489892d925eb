"""Limits on the size of a request, checked before it is read: its address, its headers, its body.

A body of the API is limited again by the call that takes it (`ApiView.body_bytes_max`).
"""

from typing import Final

from django.http import HttpRequest

from accounts.api.parsers import BATCH_BYTES_MAX
from accounts.api.problems import AddressTooLongError, BadRequestError, BodyTooLargeError, HeadersTooLargeError
from accounts.errors import ProblemError

ADDRESS_CHARACTERS_MAX: Final = 16 * 1024
HEADER_CHARACTERS_MAX: Final = 32 * 1024
FORM_BYTES_MAX: Final = 256 * 1024
# What programs send; all else is forms that people send.
_PREFIXES_OF_PROGRAMS: Final = ("/api/", "/webhooks/")
# Headers that a request has once: the server joins repeated ones with a comma, which none of these holds.
_SINGLE: Final = ("HTTP_AUTHORIZATION", "HTTP_X_API_KEY", "HTTP_X_TENANT")


def refusal_of(request: HttpRequest) -> ProblemError | None:
    """Return the error if the request is not read any further, else None."""
    meta = request.META
    address = len(meta.get("PATH_INFO", "")) + len(meta.get("QUERY_STRING", ""))
    if address > ADDRESS_CHARACTERS_MAX:
        return AddressTooLongError(f"A path with its query has at most {ADDRESS_CHARACTERS_MAX} characters.")
    headers = sum(len(name) + len(value) for name, value in meta.items() if name.startswith("HTTP_"))
    if headers > HEADER_CHARACTERS_MAX:
        return HeadersTooLargeError(f"The header lines have at most {HEADER_CHARACTERS_MAX} characters together.")
    for name in _SINGLE:
        if "," in meta.get(name, ""):
            return BadRequestError(f"{_as_written(name)} may be given once, and holds no comma.")
    return _refusal_of_length(request)


def _refusal_of_length(request: HttpRequest) -> ProblemError | None:
    announced = str(request.META.get("CONTENT_LENGTH") or "")
    bytes_max = BATCH_BYTES_MAX if request.path_info.startswith(_PREFIXES_OF_PROGRAMS) else FORM_BYTES_MAX
    if not announced.isascii() or not announced.isdigit():
        return None  # Django reads such a body as empty
    # Compared as texts: a number of ten thousand digits takes long to read.
    digits = announced.lstrip("0")
    if len(digits) > len(str(bytes_max)) or int(digits or "0") > bytes_max:
        return BodyTooLargeError(f"A body has at most {bytes_max} bytes here.")
    return None


def _as_written(name: str) -> str:
    return name.removeprefix("HTTP_").replace("_", "-").title()
