"""Which tax holds for tenants: from the seller, the tenant, what staff decided for it, and the rates of countries."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import NamedTuple
from uuid import UUID

from django.db.models import F, Q

from accounts.domain.tax_ids import EU, is_tax_id, tax_country
from accounts.models import Tenant
from billing.domain.tax import TaxCategory, TaxTable, TaxTreatment
from billing.models import BillingProfile, InvoiceTax, Issuer, TaxIdCheck, TaxRate, TaxRegistration
from billing.taxlaw.domain.tax_rules import (
    CountryRate,
    Registration,
    TaxFacts,
    TaxIdState,
    TaxScheme,
    UnverifiedTaxIds,
    tax_table,
)


class _TaxTerms(NamedTuple):
    """What staff decided for a tenant, and which merchant of record sells to it, if one does."""

    treatment: str
    percent: Decimal | None
    reason: str
    merchant: str


class _Buyer(NamedTuple):
    """A tenant as far as tax follows from it: its country and tax id, and its terms."""

    id: UUID
    country: str
    tax_id: str
    terms: _TaxTerms


def tax_tables(tenant_ids: Collection[UUID]) -> dict[UUID, TaxTable]:
    """Return which tax holds for each tenant, and from which day on."""
    return _tables(_tenants(tenant_ids))


def tax_table_of(tenant: Tenant, *, merchant: str | None = None) -> TaxTable:
    """Return which tax would hold for a tenant as it is given: its country and its tax id need not be stored.

    `merchant` is the merchant of record that would sell to it; None: the one that does.
    """
    profile = getattr(tenant, "billing_profile", None) or BillingProfile()
    seller = profile.merchant_of_record if merchant is None else merchant
    terms = _TaxTerms(profile.tax_treatment, profile.tax_percent, profile.tax_exemption_reason, seller)
    return _tables([_Buyer(tenant.pk, tenant.country, tenant.tax_id, terms)])[tenant.pk]


def _tables(buyers: Sequence[_Buyer]) -> dict[UUID, TaxTable]:
    issuer = Issuer.objects.only("country", "unverified_tax_ids").get(pk=1)
    rates, registrations = _rates(), _registrations()
    checks = _latest_checks([buyer.id for buyer in buyers if _is_asked_for(buyer)])

    @cache
    def table_of(country: str, tax_id: TaxIdState, terms: _TaxTerms) -> TaxTable:
        """Compute what many tenants have in common once."""
        return tax_table(
            TaxFacts(
                seller_country=issuer.country,
                buyer_country=country,
                tax_id=tax_id,
                treatment=TaxTreatment(terms.treatment),
                percent=terms.percent,
                exemption_reason=terms.reason,
                unverified=UnverifiedTaxIds(issuer.unverified_tax_ids),
                registrations=registrations,
                rates={name: rates[name] for name in {tax_country(country), tax_country(issuer.country)}},
                merchant=terms.merchant,
            )
        )

    return {
        buyer.id: table_of(buyer.country, _state_of(buyer, checks.get((buyer.id, buyer.tax_id))), buyer.terms)
        for buyer in buyers
    }


def number_with_rate(rate: TaxRate) -> str | None:
    """Return the number of the first finalized invoice that bears the rate."""
    bearing = InvoiceTax.objects.filter(
        Q(jurisdiction=rate.country) | Q(jurisdiction="", invoice__tenant__country=rate.country),
        revision=F("invoice__revision"),
        invoice__finalized_at__isnull=False,
        name=rate.name,
        percent=rate.percent,
        treatment=TaxTreatment.STANDARD,
    )
    return bearing.order_by("invoice__finalized_at").values_list("invoice__number", flat=True).first()


def _state_of(buyer: _Buyer, is_valid: bool | None) -> TaxIdState:  # noqa: FBT001 - what a check said
    """Return what is known of the tenant's tax id; an earlier release stored some without checking their digits."""
    if not buyer.tax_id:
        return TaxIdState.NONE
    is_possible = not _is_asked_for(buyer) or is_tax_id(buyer.tax_id, buyer.country)
    if is_valid is None or not is_possible:
        return TaxIdState.UNVERIFIED if is_possible else TaxIdState.INVALID
    return TaxIdState.VERIFIED if is_valid else TaxIdState.INVALID


def _tenants(tenant_ids: Collection[UUID]) -> list[_Buyer]:
    """Return the tenants with what staff decided for them, as far as tax follows from it."""
    terms = ("tax_treatment", "tax_percent", "tax_exemption_reason", "merchant_of_record")
    rows = Tenant.objects.filter(pk__in=tenant_ids).values_list(
        "pk", "country", "tax_id", "billing_profile", *(f"billing_profile__{name}" for name in terms)
    )
    nobodys = BillingProfile()
    usual = _TaxTerms(*(getattr(nobodys, name) for name in terms))
    return [
        _Buyer(pk, country, tax_id, usual if profile is None else _TaxTerms(*decided))
        for pk, country, tax_id, profile, *decided in rows
    ]


def _is_asked_for(buyer: _Buyer) -> bool:
    """Return whether it matters if the tax id is in use: VAT numbers of member states decide about the tax."""
    return bool(buyer.tax_id) and tax_country(buyer.country) in EU


def _latest_checks(tenant_ids: Collection[UUID]) -> dict[tuple[UUID, str], bool]:
    """Return what was last said of each tax id of the tenants."""
    if not tenant_ids:
        return {}
    rows = TaxIdCheck.objects.filter(tenant__in=tenant_ids).order_by("tenant_id", "tax_id", "-checked_at", "-pk")
    latest = rows.distinct("tenant_id", "tax_id").values_list("tenant_id", "tax_id", "is_valid")
    return {(tenant_id, tax_id): is_valid for tenant_id, tax_id, is_valid in latest}


def _rates() -> Mapping[str, Sequence[CountryRate]]:
    rates: dict[str, list[CountryRate]] = defaultdict(list)
    rows = TaxRate.objects.values_list("country", "name", "percent", "valid_from", "category", "reason")
    for country, name, percent, since, category, reason in rows:
        rates[country].append(CountryRate(name, percent, since, TaxCategory(category), reason))
    return rates


def _registrations() -> tuple[Registration, ...]:
    rows = TaxRegistration.objects.values_list("country", "scheme", "tax_id", "valid_from", "valid_until")
    return tuple(
        Registration(country, TaxScheme(scheme), tax_id, since, until) for country, scheme, tax_id, since, until in rows
    )
