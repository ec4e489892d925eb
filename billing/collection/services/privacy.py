"""Collection's part of a tenant's data export. Providers' events are not the tenant's; they are kept as evidence."""

from collections.abc import Iterable

from accounts.models import Tenant
from accounts.services.privacy_parts import ExportPiece, PrivacyPart, exported_table
from billing.collection.models import (
    ProviderAgreement,
    ProviderChoice,
    ProviderCustomer,
    ProviderInvoice,
    ProviderRefund,
    UsagePush,
)


class CollectionPrivacy(PrivacyPart):
    """The part that `settings.PRIVACY_PARTS` names."""

    def files(self, *, tenant: Tenant) -> Iterable[ExportPiece]:
        """Return the tenant's customers at payment providers, and the usage pushed to them."""
        yield exported_table(
            "provider_customers.json", ProviderCustomer.objects.filter(tenant=tenant), "provider", "reference",
            "card_label",
        )  # fmt: skip
        yield exported_table(
            "provider_choices.json", ProviderChoice.objects.filter(tenant=tenant), "provider",
        )  # fmt: skip
        yield exported_table(
            "provider_agreements.json", ProviderAgreement.objects.filter(subscription__tenant=tenant),
            "subscription_id", "provider", "reference", "state", "status",
        )  # fmt: skip
        yield exported_table(
            "provider_invoices.json", ProviderInvoice.objects.filter(invoice__tenant=tenant), "provider", "reference",
            "payment_url", invoice_number="invoice__number",
        )  # fmt: skip
        yield exported_table(
            "provider_refunds.json", ProviderRefund.objects.filter(tenant=tenant), "refund_id", "provider", "reference",
            "status",
        )  # fmt: skip
        yield exported_table(
            "usage_pushes.ndjson.gz", UsagePush.objects.filter(tenant=tenant), "id", "provider", "hour", "revision",
            "quantity", "identifier", "status", "created_at", "finished_at", meter_code="meter__code",
        )  # fmt: skip
