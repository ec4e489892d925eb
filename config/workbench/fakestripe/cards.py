"""Stripe's test cards, and the outcome of saving and of charging each."""

import dataclasses
import hashlib
import re
from datetime import UTC, datetime

from config.workbench.fakestripe.errors import CardDeclinedError, Json, StripeError

ANY_YEAR_MAX = 50


@dataclasses.dataclass(frozen=True)
class Refusal:
    """The reason why a card is declined."""

    code: str
    decline_code: str | None
    message: str


@dataclasses.dataclass(frozen=True)
class Card:
    """One test card. One that `is_confirmed_by_customer` pays on a page, and is refused otherwise."""

    number: str
    name: str
    brand: str = "visa"
    refusal: Refusal | None = None
    is_saved_without_complaint: bool = True
    is_confirmed_by_customer: bool = False

    @property
    def last4(self) -> str:
        return self.number[-4:]

    def refuse_when_saved(self) -> None:
        """Raise if the card fails the check that saving makes."""
        if self.refusal is not None and not self.is_saved_without_complaint:
            raise declined(self.refusal)


def declined(refusal: Refusal, **more: Json | str) -> CardDeclinedError:
    return CardDeclinedError(refusal.message, code=refusal.code, decline_code=refusal.decline_code, **more)


def _bad(number: str, name: str, code: str, decline_code: str | None, message: str) -> Card:
    refusal = Refusal(code, decline_code, message)
    return Card(number, name, refusal=refusal, is_saved_without_complaint=False)


CONFIRM = "authentication_required"
DECLINED = "Your card was declined."
GOOD = Card("4242424242424242", "pm_card_visa")
CARDS = (
    GOOD,
    Card("5555555555554444", "pm_card_mastercard", brand="mastercard"),
    Card("378282246310005", "pm_card_amex", brand="amex"),
    _bad("4000000000000002", "pm_card_chargeDeclined", "card_declined", "generic_decline", DECLINED),
    _bad(
        "4000000000009995",
        "pm_card_chargeDeclinedInsufficientFunds",
        "card_declined",
        "insufficient_funds",
        "Your card has insufficient funds.",
    ),
    _bad("4000000000009987", "pm_card_chargeDeclinedLostCard", "card_declined", "lost_card", DECLINED),
    _bad("4000000000000069", "pm_card_chargeDeclinedExpiredCard", "expired_card", None, "Your card has expired."),
    _bad(
        "4000000000000127",
        "pm_card_chargeDeclinedIncorrectCvc",
        "incorrect_cvc",
        None,
        "Your card's security code is incorrect.",
    ),
    _bad(
        "4000000000000119",
        "pm_card_chargeDeclinedProcessingError",
        "processing_error",
        None,
        "An error occurred while processing your card. Try again in a little bit.",
    ),
    Card(
        "4000000000000341",
        "pm_card_chargeCustomerFail",
        refusal=Refusal("card_declined", "generic_decline", DECLINED),
    ),
    Card(
        "4000002760003184",
        "pm_card_authenticationRequired",
        refusal=Refusal(CONFIRM, CONFIRM, "Your card was declined. This transaction requires authentication."),
        is_confirmed_by_customer=True,
    ),
)
BY_NUMBER = {card.number: card for card in CARDS}
BY_NAME = {card.name: card for card in CARDS} | {"tok_visa": GOOD}


def read_card(number: str, exp_month: int, exp_year: int, cvc: str | None, *, as_of: int) -> Card:
    """Return the test card with this number. Raise as Stripe does if it is mistyped, expired or real."""
    digits = re.sub(r"[\s-]", "", number)
    if not digits.isascii() or not digits.isdigit() or not _checksum_is_right(digits):
        raise CardDeclinedError("Your card number is incorrect.", code="incorrect_number")
    if not 1 <= exp_month <= 12:
        raise CardDeclinedError("Your card's expiration month is invalid.", code="invalid_expiry_month")
    year = exp_year + 2000 if exp_year < 100 else exp_year
    today = datetime.fromtimestamp(as_of, UTC)
    if not (today.year, today.month) <= (year, exp_month) or year > today.year + ANY_YEAR_MAX:
        raise CardDeclinedError("Your card's expiration year is invalid.", code="invalid_expiry_year")
    if cvc is not None and not re.fullmatch(r"[0-9]{3,4}", cvc):
        raise CardDeclinedError("Your card's security code is invalid.", code="invalid_cvc")
    card = BY_NUMBER.get(digits)
    if card is None:
        message = "Your card was declined. Your request was in test mode, but used a non test card."
        raise CardDeclinedError(message, code="card_declined", decline_code="test_mode_live_card")
    return card


def card_named(name: str) -> Card:
    """Return the card behind `pm_card_visa` and its siblings."""
    if name not in BY_NAME:
        raise StripeError(f"No such PaymentMethod: '{name}'", code="resource_missing", param="payment_method")
    return BY_NAME[name]


def card_details(card: Card, exp_month: int, exp_year: int) -> Json:
    """Return the `card` of a payment method."""
    return {
        "brand": card.brand,
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": "US",
        "display_brand": card.brand,
        "exp_month": exp_month,
        "exp_year": exp_year + 2000 if exp_year < 100 else exp_year,
        "fingerprint": hashlib.sha256(card.number.encode()).hexdigest()[:16],
        "funding": "credit",
        "generated_from": None,
        "last4": card.last4,
        "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }


def _checksum_is_right(digits: str) -> bool:
    doubled = [int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(digits))]
    return len(digits) >= 12 and sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0
