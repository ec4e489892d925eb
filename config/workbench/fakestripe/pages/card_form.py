"""Read the card that was typed into a page."""

import re

from config.workbench.fakestripe.cards import Card, read_card
from config.workbench.fakestripe.errors import CardDeclinedError, Json


def typed_card(form: Json, *, as_of: int) -> tuple[Card, int, int]:
    """Return the test card with its month and year. Raise CardDeclinedError if they are mistyped."""
    month, year = typed_expiry(form)
    card = read_card(str(form.get("number", "")), month, year, str(form.get("cvc", "")), as_of=as_of)
    return card, month, year


def typed_expiry(form: Json) -> tuple[int, int]:
    """Return month and year of `12 / 34`."""
    found = re.fullmatch(r"\s*(\d{1,2})\s*/?\s*(\d{2}|\d{4})\s*", str(form.get("expiry", "")))
    if not found:
        raise CardDeclinedError("Your card's expiration date is incomplete.", code="invalid_expiry_month")
    year = int(found[2])
    return int(found[1]), year + 2000 if year < 100 else year
