"""The demo's taxes: rates of countries, one of which changed, exchange rates by day, and checks of VAT numbers."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from accounts.domain.actor import Actor
from accounts.models import Tenant
from billing.domain.exchange import EURO, DayRate
from billing.models import ExchangeRate, TaxIdCheck, TaxRate, TaxRegistration
from billing.taxation.services.exchange_rates import add_exchange_rates
from billing.taxation.services.tax_id_checks import record_tax_id_check
from billing.taxation.services.tax_settings import save_tax_rate, save_tax_registration
from config.workbench.demo.cast import CHANGED_TAX_TENANT, TENANTS, joined_at_of
from config.workbench.demo.catalogue import CHANGED_TAX, ONE_STOP_SHOP, RATES, TAXES
from metering.domain.periods import YearMonth

QUOTED: Final = ("GBP", "USD")
RATE_DAYS: Final = 120
RATE_SOURCE: Final = "made-up rate of the demo"
SATURDAY: Final = 5
# Of tenants in other member states. Each reference is what VIES shows to staff who look a number up by hand.
CHECKED: Final = {"cedar-atelier": "WAPIAAAAZT0q8c3r", "oldgate-devices": "WAPIAAAAZK7w2m5d"}
_STEP: Final = Decimal("0.0001")


def ensure_taxes(*, actor: Actor, as_of: datetime, now: datetime) -> None:
    """Create the rates of countries and the registration, if staff have none of them yet, and new exchange rates.

    `as_of` is when the seller began. The changed rate began with the third month of the tenant that bears it.
    """
    rows: list[tuple[str, str, str, date | None]] = [(*rate, None) for rate in TAXES]
    country, name, before, after = CHANGED_TAX
    rows += [(country, name, before, None), (country, name, after, change_day(now))]
    known = set(TaxRate.objects.values_list("country", flat=True))
    for country, name, percent, since in rows:
        if country not in known:
            rate = {"country": country, "name": name, "percent": Decimal(percent), "valid_from": since}
            save_tax_rate(rate=None, changes=rate, actor=actor, as_of=as_of)
    if not TaxRegistration.objects.exists():
        save_tax_registration(registration=None, changes=ONE_STOP_SHOP, actor=actor, as_of=as_of)
    _add_exchange_rates(actor, now)


def change_day(now: datetime) -> date:
    """Return the first day of the new rate: usage of the month before and the fee of that month share an invoice."""
    [planned] = [tenant for tenant in TENANTS if tenant.slug == CHANGED_TAX_TENANT]
    return YearMonth.of(joined_at_of(planned, now).date()).plus(2).first_day()


def check_tax_ids_by_hand(*, tenants: Sequence[Tenant], actor: Actor) -> None:
    """Record that staff checked a VAT number on the day on which its tenant joined, once."""
    for tenant in tenants:
        reference = CHECKED.get(tenant.slug)
        if reference is None or not tenant.tax_id or TaxIdCheck.objects.filter(tenant=tenant).exists():
            continue
        checked_at = tenant.created_at + timedelta(hours=1)
        record_tax_id_check(
            tenant=tenant, is_valid=True, reference=f"VIES, consultation {reference}", actor=actor, as_of=checked_at
        )


def _add_exchange_rates(actor: Actor, now: datetime) -> None:
    """Add the euro's rates of each working day since the last one that is stored."""
    first = now.date() - timedelta(days=RATE_DAYS)
    last = ExchangeRate.objects.filter(per=EURO, day__gte=first).order_by("-day").values_list("day", flat=True).first()
    day = first if last is None else last + timedelta(days=1)
    rates = []
    while day <= now.date():
        if day.weekday() < SATURDAY:
            rates += [DayRate(EURO, currency, day, _quoted(currency, day), RATE_SOURCE) for currency in QUOTED]
        day += timedelta(days=1)
    if rates:
        add_exchange_rates(rates=rates, actor=actor, as_of=now)


def _quoted(currency: str, day: date) -> Decimal:
    """Return a rate near the price list's, which wanders by up to two percent, the same for a day at each run."""
    wave = abs(day.toordinal() * 3 % 200 - 100) - 50 + day.toordinal() * 7 % 13
    return (RATES[currency] * (1 + Decimal(wave) / 3_000)).quantize(_STEP)
