"""Product codes: read once a second by each process that receives billing events."""

from collections.abc import Mapping
from typing import Final

from accounts.domain.pages import Page, PageRequest
from accounts.domain.short_memory import ShortMemory
from accounts.errors import NotFoundError
from accounts.selectors.pages import page_of
from metering.models import ProductCode
from metering.selectors.steady_clock import steady_instant

_ALL: Final = "all"
_memory: Final = ShortMemory[str, Mapping[str, str]]()


def event_type_of_product(code: str) -> str:
    """Return the code of the event type that a product code is mapped to, or the code itself."""
    now = steady_instant()
    known = _memory.recall(_ALL, now)
    if known is None:
        known = dict(ProductCode.objects.values_list("code", "event_type__code"))
        _memory.keep(_ALL, known, now)
    return known.get(code, code)


def product_codes_page(request: PageRequest) -> Page[ProductCode]:
    """Return a page of product codes, the newest first."""
    codes = ProductCode.objects.select_related("event_type")
    return page_of(codes, request, instant_field="created_at", parse_id=int)


def product_code_named(code: str) -> ProductCode:
    """Return a product code. Raises 404."""
    found = ProductCode.objects.select_related("event_type").filter(code=code).first()
    if found is None:
        raise NotFoundError("There is no such product code.")
    return found


def forget_product_codes() -> None:
    """Clear the cache: after a change in this process, and between tests."""
    _memory.forget_all()
