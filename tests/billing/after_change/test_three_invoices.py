"""Three invoices beside the list of article 226: domestic, reverse charge, foreign currency; docs/invoices.md."""

from datetime import date, timedelta

import pytest

from billing.models import TaxRate
from billing.services.documents.deliveries import invoice_pdf
from billing.services.subscriptions.profiles import update_billing_profile
from billing.verification.services.running import run_verification
from tests.billing.rendering.services.reading import texts
from tests.billing.world import (
    MARCH,
    STAFF,
    close_month,
    first_invoice,
    know_exchange_rates,
    make_plan,
    set_issuer,
    subscribe_tenant,
    use,
)

pytestmark = pytest.mark.django_db
SELLER = {
    "legal_name": "Seller BV", "address_line1": "Meir 24", "postal_code": "2000", "city": "Antwerp", "country": "BE",
    "tax_id": "BE0417497106",
}  # fmt: skip
GHENT = {
    "legal_name": "Acme NV", "address_line1": "Korenmarkt 1", "postal_code": "9000", "city": "Ghent", "country": "BE",
    "tax_id": "BE0403019261",
}  # fmt: skip
BERLIN = {
    "legal_name": "Beta GmbH", "address_line1": "Unter den Linden 1", "postal_code": "10117", "city": "Berlin",
    "country": "DE", "tax_id": "DE136695976",
}  # fmt: skip
LIEGE = {
    "legal_name": "Gamma SA", "address_line1": "Rue Léopold 3", "postal_code": "4000", "city": "Liège",
    "country": "BE", "tax_id": "BE0428759497", "currency": "USD",
}  # fmt: skip
IN_ENGLISH = (
    "Seller BV Meir 24 2000 Antwerp Belgium Tax ID: BE0417497106",  # 226 (3), (5)
    "Issue date 1 April 2026",  # (1)
    "Pro: calls 1 \u2013 31 March 2026 4,500 calls 0.001",  # (6), (7), (8)
    "Pro: monthly fee 1 \u2013 30 April 2026",
)


def issued(slug: str, language: str, fields: dict[str, str]) -> str:
    """Return what the invoice for March and April says."""
    subscription = subscribe_tenant(slug, plan=make_plan(fee={"EUR": "49", "USD": "55"}), **fields)
    update_billing_profile(tenant=subscription.tenant, changes={"language": language}, actor=STAFF, as_of=MARCH)
    first_invoice(subscription)
    use(subscription.tenant, 1500, at=MARCH + timedelta(days=3), count=3)
    invoice = close_month(subscription)
    said = " ".join(" ".join(texts(bytes(invoice_pdf(invoice=invoice, as_of=MARCH).content))).split())
    assert f" {invoice.number} " in said  # (2)
    return said


def test_each_says_what_the_law_wants() -> None:
    TaxRate.objects.all().delete()
    TaxRate.objects.create(country="BE", percent=21)
    set_issuer(**SELLER)
    know_exchange_rates("USD", first=date(2026, 2, 1), last=date(2026, 6, 1))
    expected = {
        "domestic": (
            *IN_ENGLISH,
            "Acme NV Korenmarkt 1 9000 Ghent Belgium",
            "VAT 21% of 53.50 11.24 EUR",  # (8), (9), (10)
        ),
        "reverse": (
            "Seller BV Meir 24 2000 Antwerp Belgien USt-IdNr./Steuernr.: BE0417497106",
            "Beta GmbH Unter den Linden 1 10117 Berlin Deutschland USt-IdNr./Steuernr.: DE136695976",  # (4)
            "Pro: Monatsgebühr 1.\u201330. April 2026 49,00",
            "Steuerschuldnerschaft des Leistungsempfängers (Reverse Charge,",  # (11a)
            "Zu zahlen 53,50 EUR",
        ),
        "foreign": (
            *IN_ENGLISH,
            "VAT 21% of 59.50 12.50 USD Tax in EUR: 10.00 EUR, at 1 EUR = 1.25 USD (European Central Bank,",  # 230
        ),
    }
    for slug, language, fields in (("domestic", "en", GHENT), ("reverse", "de", BERLIN), ("foreign", "en", LIEGE)):
        said = issued(slug, language, fields)
        for words in expected[slug]:
            assert words in said
    assert run_verification(started_by="test", as_of=MARCH + timedelta(days=40)).differences == []
