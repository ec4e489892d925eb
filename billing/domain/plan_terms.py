"""What a plan version sells, as a value: the terms that staff give, and the digest by which a change would be seen."""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Final

from accounts.domain.tenant_settings import CURRENCIES
from accounts.domain.texts import line_problem
from accounts.errors import FieldError, InvalidFieldsError
from billing.domain.money import is_whole_minor
from billing.domain.prices import MODEL_OF, Flat, PriceKind, PriceTerms, read_terms, write_terms
from metering.domain.periods import Span

TRIAL_DAYS_MAX: Final = 730
NAME_CHARACTERS_MAX: Final = 120
POSITION_MAX: Final = 32767
MARK_CHARACTERS_MAX: Final = 30
FEATURES_MAX: Final = 30
FEATURE_CHARACTERS_MAX: Final = 120
_CODE: Final = re.compile(r"[a-z][a-z0-9_-]{0,49}", re.ASCII)


@dataclass(frozen=True, slots=True)
class PriceOffer:
    """A price of a version that is to be made; without a meter it is the recurring fee."""

    currency: str
    terms: PriceTerms
    meter_code: str | None = None


@dataclass(frozen=True, slots=True)
class VersionOffer:
    """A plan version that is to be made. Each currency that it is sold in has one recurring fee, which may be 0."""

    usage_plan_code: str
    prices: tuple[PriceOffer, ...]
    trial_days: int = 0


@dataclass(frozen=True, slots=True)
class SoldPrice:
    """A stored price. `meter_id` is None for the recurring fee.

    `meter_borders` are when the later versions of its meter begin, in order.
    """

    id: int
    kind: PriceKind
    currency: str
    terms: PriceTerms
    meter_id: int | None = None
    meter_code: str = ""
    meter_name: str = ""
    unit: str = ""
    meter_borders: tuple[datetime, ...] = ()

    def meter_versions(self, span: Span) -> list[int]:
        """Return the numbers of the meter's versions that count in a span."""
        first = 1 + sum(1 for border in self.meter_borders if border <= span.start)
        last = 1 + sum(1 for border in self.meter_borders if border < span.end)
        return list(range(first, last + 1))


@dataclass(frozen=True)  # without slots, since its prices are sorted, and its digest is taken, once
class SoldVersion:
    """A stored plan version with its prices."""

    id: int
    plan_code: str
    plan_name: str
    number: int
    usage_plan_id: int
    usage_plan_code: str
    trial_days: int
    digest: str
    prices: tuple[SoldPrice, ...]

    def fee(self, currency: str) -> SoldPrice | None:
        """Return the recurring fee in a currency; None if the version is not sold in it."""
        return next((price for price in self._of_currency[currency] if price.kind is PriceKind.RECURRING), None)

    def usage_prices(self, currency: str) -> list[SoldPrice]:
        """Return the prices of the meters in a currency, by the meters' codes."""
        return self._usage_of_currency[currency]

    @cached_property
    def is_as_published(self) -> bool:
        """Return whether the terms still match the stored digest."""
        return self.digest == digest_of(
            plan_code=self.plan_code,
            number=self.number,
            trial_days=self.trial_days,
            usage_plan_code=self.usage_plan_code,
            prices=[PriceOffer(price.currency, price.terms, price.meter_code or None) for price in self.prices],
        )

    @property
    def currencies(self) -> list[str]:
        """Return the currencies in which it is sold."""
        return sorted(price.currency for price in self.prices if price.kind is PriceKind.RECURRING)

    @cached_property
    def _of_currency(self) -> defaultdict[str, list[SoldPrice]]:
        prices = defaultdict(list)
        for price in self.prices:
            prices[price.currency].append(price)
        return prices

    @cached_property
    def _usage_of_currency(self) -> defaultdict[str, list[SoldPrice]]:
        usage = defaultdict(list)
        for price in sorted(self.prices, key=lambda price: price.meter_code):
            if price.kind is PriceKind.USAGE:
                usage[price.currency].append(price)
        return usage


def fee_amount(price: SoldPrice) -> Decimal:
    """Return the recurring fee of a whole period, in the major unit."""
    assert isinstance(price.terms, Flat), "a recurring fee is flat"
    return price.terms.amount


def is_smaller(version: SoldVersion, than: SoldVersion, currency: str) -> bool:
    """Return whether a version's fee is below that of another."""
    fees = [fee_amount(price) for sold in (version, than) if (price := sold.fee(currency)) is not None]
    return len(fees) > 1 and fees[0] < fees[1]


def feature_lines(features: str) -> tuple[str, ...]:
    """Return the benefits of a plan that staff wrote one a line, each once, in their order."""
    lines = (" ".join(line.split()) for line in features.split("\n"))
    return tuple(dict.fromkeys(line for line in lines if line))


def check_plan(*, code: str, name: str, position: object, mark: str = "", features: str = "") -> None:
    """Check how a plan is named and shown. Raises `InvalidFieldsError` that names each field."""
    refusals = []
    if not _CODE.fullmatch(code):
        refusals.append(
            FieldError("/code", "invalid_code", "Lower-case letters, digits, - and _, beginning with a letter.")
        )
    problem = line_problem(name, pointer="/name", characters_max=NAME_CHARACTERS_MAX, is_required=True)
    if problem is not None:
        refusals.append(problem)
    problem = line_problem(mark, pointer="/mark", characters_max=MARK_CHARACTERS_MAX)
    if problem is not None:
        refusals.append(problem)
    refusals += _problems_of_features(features)
    if not isinstance(position, int) or not 0 <= position <= POSITION_MAX:
        refusals.append(FieldError("/position", "invalid_position", f"0 to {POSITION_MAX}."))
    if refusals:
        raise InvalidFieldsError(refusals[0].detail, field_errors=tuple(refusals))


def _problems_of_features(features: str) -> list[FieldError]:
    lines = feature_lines(features)
    if len(lines) > FEATURES_MAX:
        return [FieldError("/features", "too_many", f"At most {FEATURES_MAX} lines.")]
    found = (line_problem(line, pointer="/features", characters_max=FEATURE_CHARACTERS_MAX) for line in lines)
    return [problem for problem in found if problem is not None][:1]


def check_offer(offer: VersionOffer) -> None:
    """Raise `InvalidFieldsError` that names every price which cannot be sold."""
    found = tuple(_problems(offer))
    if found:
        raise InvalidFieldsError("The plan version cannot be sold.", field_errors=found)


def digest_of(
    *, plan_code: str, number: int, trial_days: int, usage_plan_code: str, prices: Sequence[PriceOffer]
) -> str:
    """Return the SHA-256 of a version's terms as 64 hexadecimal digits; the order of its prices does not matter."""
    rows = sorted(
        [price.currency, price.meter_code or "", MODEL_OF[type(price.terms)].value, write_terms(price.terms)]
        for price in prices
    )
    content: Mapping[str, object] = {
        "plan": plan_code,
        "number": number,
        "trial_days": trial_days,
        "usage_plan": usage_plan_code,
        "prices": rows,
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _problems(offer: VersionOffer) -> Iterator[FieldError]:
    if not 0 <= offer.trial_days <= TRIAL_DAYS_MAX:
        yield FieldError("/trial_days", "invalid_trial_days", f"0 to {TRIAL_DAYS_MAX} days.")
    seen: set[tuple[str, str | None]] = set()
    for position, price in enumerate(offer.prices):
        pointer = f"/prices/{position}"
        if price.currency not in CURRENCIES:
            yield FieldError(f"{pointer}/currency", "invalid_currency", "A currency of ISO 4217, such as EUR.")
            continue
        if (price.currency, price.meter_code) in seen:
            yield FieldError(
                pointer, "repeated_price", "There is one price a meter and currency, and one fee a currency."
            )
        seen.add((price.currency, price.meter_code))
        yield from _unreadable(price.terms, pointer)
        if price.meter_code is None:
            yield from _no_fee(price, pointer)
    fees = {price.currency for price in offer.prices if price.meter_code is None}
    if not fees:
        yield FieldError("/prices", "fee_missing", "A version has a recurring fee, of 0 at least, in each currency.")
    for currency in sorted({price.currency for price in offer.prices} - fees):
        yield FieldError("/prices", "fee_missing", f"There is no recurring fee in {currency}.")


def _unreadable(terms: PriceTerms, pointer: str) -> tuple[FieldError, ...]:
    """Return why the terms could not be read again: they are stored for ever, so they have to be readable."""
    try:
        read_terms(MODEL_OF[type(terms)], write_terms(terms), pointer=f"{pointer}/terms")
    except InvalidFieldsError as error:
        return error.field_errors
    return ()


def _no_fee(price: PriceOffer, pointer: str) -> Iterator[FieldError]:
    if not isinstance(price.terms, Flat):
        yield FieldError(f"{pointer}/model", "invalid_model", "A recurring fee is flat.")
    elif not is_whole_minor(price.terms.amount, price.currency):
        yield FieldError(f"{pointer}/terms/amount", "invalid_amount", "More digits than the currency has.")
