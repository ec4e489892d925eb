"""How amounts of invoices become the seller's currency."""

from collections.abc import Collection
from datetime import date, timedelta

from django.db.models import Q

from billing.domain.exchange import DAYS_OLD_MAX, EURO, Conversion, DayRate, conversion
from billing.models import ExchangeRate


def conversions(currencies: Collection[str], currency: str, day: date) -> dict[str, Conversion]:
    """Return each currency's conversion to the seller's on that day, if a rate is known: by the latest correction."""
    wanted = {*currencies, currency, EURO}
    rows = (
        ExchangeRate.objects.filter(
            Q(per__in=wanted) & Q(currency__in=wanted), day__lte=day, day__gte=day - timedelta(days=DAYS_OLD_MAX)
        )
        .order_by("per", "currency", "day", "-version")
        .distinct("per", "currency", "day")
    )
    known = [DayRate(row.per, row.currency, row.day, row.rate, row.source) for row in rows]
    found = {given: conversion(given, currency, known, day) for given in currencies}
    return {given: way for given, way in found.items() if way is not None}
