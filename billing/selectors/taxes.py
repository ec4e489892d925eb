"""Which tax holds for tenants, from the seller, the tenant, what staff decided for it, and the rates of countries."""

from collections.abc import Collection
from uuid import UUID

from accounts.models import Tenant
from billing.domain.tax import TaxFacts, TaxTable, TaxTreatment, decide_tax
from billing.models import BillingProfile, Issuer, TaxRate


def tax_tables(tenant_ids: Collection[UUID]) -> dict[UUID, TaxTable]:
    """Which tax holds for each tenant, and from which day on."""
    seller = Issuer.objects.values_list("country", flat=True).get(pk=1)
    rates = {
        country: (name, percent) for country, name, percent in TaxRate.objects.values_list("country", "name", "percent")
    }
    profiles = {profile.tenant_id: profile for profile in BillingProfile.objects.filter(tenant__in=tenant_ids)}
    tables = {}
    for tenant in Tenant.objects.filter(pk__in=tenant_ids).only("country", "tax_id"):
        profile = profiles.get(tenant.pk)
        decision = decide_tax(
            TaxFacts(
                seller_country=seller,
                buyer_country=tenant.country,
                buyer_tax_id=tenant.tax_id,
                treatment=TaxTreatment.AUTOMATIC if profile is None else TaxTreatment(profile.tax_treatment),
                percent=None if profile is None else profile.tax_percent,
                exemption_reason="" if profile is None else profile.tax_exemption_reason,
                rates=rates,
            )
        )
        tables[tenant.pk] = TaxTable(((None, decision),))
    return tables
