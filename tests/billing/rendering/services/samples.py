"""Contents of documents as finalizing stores them, to be rendered without a database."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from billing.domain.documents import CUSTOMER_FIELDS, ISSUER_FIELDS, credit_note_content, lines_content
from billing.domain.invoicing.lines import LineDraft
from billing.domain.money import currency_digits
from billing.domain.prices import Flat, Graduated, Package, PerUnit, PriceTerms, Tier, Volume
from billing.domain.rating import rate
from billing.domain.tax import REVERSE_CHARGE_NOTE
from metering.domain.periods import Span

MARCH: Final = Span(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
APRIL: Final = Span(MARCH.end, datetime(2026, 5, 1, tzinfo=UTC))
GRADUATED: Final = Graduated(
    (
        Tier(Decimal(10000), Decimal("0.002")),
        Tier(Decimal(100000), Decimal("0.00175"), Decimal(5)),
        Tier(None, Decimal("0.0012345678")),
    )
)
VOLUME: Final = Volume((Tier(Decimal(500), Decimal("0.1")), Tier(None, Decimal("0.08"))))
ISSUER: Final = dict.fromkeys(ISSUER_FIELDS, "") | {
    "legal_name": "Meridian Data Services GmbH",
    "address_line1": "Torstraße 140",
    "postal_code": "10119",
    "city": "Berlin",
    "country": "DE",
    "tax_id": "DE811907980",
    "registration": "Amtsgericht Charlottenburg, HRB 104455",
    "email": "billing@meridian.example",
    "phone": "+49 30 901820",
    "website": "https://meridian.example",
    "bank_account": "Meridian Data Services GmbH\nIBAN DE02 1203 0000 0000 2020 51\nBIC BYLADEM1001",
    "footer": "Thank you for your trust.",
}
CUSTOMER: Final = dict.fromkeys(CUSTOMER_FIELDS, "") | {
    "name": "Jäger & Söhne",
    "slug": "jaeger",
    "legal_name": "Jäger & Söhne Maschinenbau GmbH & Co. KG",
    "address_line1": "Königstraße 28",
    "postal_code": "70173",
    "city": "Stuttgart",
    "region": "Baden-Württemberg",
    "country": "DE",
    "tax_id": "DE136695976",
}


def usage_line(
    name: str, quantity: str, terms: PriceTerms, currency: str = "EUR", *, unit: str = "requests"
) -> LineDraft:
    charge = rate(terms, Decimal(quantity), currency)
    return LineDraft(
        kind="usage",
        description=name,
        period=MARCH,
        quantity=charge.quantity,
        amount_minor=charge.amount_minor,
        explanation=charge.explanation(),
        unit=unit,
        events=1,
    )


def fee_line(amount: str, currency: str = "EUR") -> LineDraft:
    charge = rate(Flat(Decimal(amount)), Decimal(1), currency)
    return LineDraft(
        "recurring", "Pro: monthly fee", APRIL, Decimal(1), charge.amount_minor, explanation=charge.explanation()
    )


def proration_line() -> LineDraft:
    explanation = {"model": "proration", "fee": "49", "days": 17, "days_in_period": 31}
    return LineDraft("proration", "Unused time on Pro (17 of 31 days)", MARCH, Decimal(1), -2687, explanation)


def adjustment_line() -> LineDraft:
    charge = rate(PerUnit(Decimal("0.002")), Decimal(12500), "EUR")
    explanation = {
        "model": "adjustment",
        "invoice": "INV-2026-000017",
        "invoiced": {"quantity": "12000", "amount_minor": 2400},
        "now": charge.explanation() | {"amount_minor": charge.amount_minor},
    }
    return LineDraft(
        "adjustment", "Correction of INV-2026-000017: API calls", MARCH, Decimal(500), 100, explanation, unit="requests"
    )


def every_kind_of_line() -> list[LineDraft]:
    return [
        usage_line("Pro: API calls", "1234567.5", GRADUATED),
        usage_line("Pro: Storage", "620", VOLUME, unit="GB hours"),
        usage_line("Pro: Exports", "7", Package(Decimal(3), Decimal("1.25")), unit="files"),
        usage_line("Pro: Tokens", "98765.432", PerUnit(Decimal("0.000012")), unit="tokens"),
        usage_line("Pro: Support", "1", Flat(Decimal(20)), unit="tickets"),
        proration_line(),
        adjustment_line(),
        fee_line("49"),
    ]


def invoice(
    lines: Sequence[LineDraft],
    *,
    currency: str = "EUR",
    percent: str = "19",
    note: str = "",
    customer: Mapping[str, str] | None = None,
    issuer: Mapping[str, str] | None = None,
    number: str = "INV-2026-000042",
) -> dict[str, Any]:
    subtotal = sum(line.amount_minor for line in lines)
    tax = subtotal * int(percent) // 100
    return {
        "kind": "invoice",
        "number": number,
        "currency": currency,
        "digits": currency_digits(currency),
        "issued_on": "2026-04-01",
        "due_on": "2026-04-15",
        "payment_days": 14,
        "payment_url": f"https://count.example/t/jaeger/invoices/{number}/",
        "time_zone": "Europe/Berlin",
        "period": {"first_day": "2026-03-01", "last_day": "2026-03-31", "start": "", "end": ""},
        "issuer": ISSUER | dict(issuer or {}),
        "customer": CUSTOMER | dict(customer or {}),
        "lines": lines_content(lines, "UTC"),
        "subtotal_minor": subtotal,
        "taxes": [
            {
                "name": "VAT",
                "percent": percent,
                "treatment": "standard",
                "note": note,
                "base_minor": subtotal,
                "amount_minor": tax,
            }
        ],
        "tax_minor": tax,
        "total_minor": subtotal + tax,
    }


def short_invoice() -> dict[str, Any]:
    return invoice([usage_line("Pro: API calls", "184200", GRADUATED), fee_line("49")])


def full_invoice() -> dict[str, Any]:
    return invoice(every_kind_of_line())


def long_invoice(count: int = 120) -> dict[str, Any]:
    return invoice([usage_line(f"Pro: Meter {n:03}", str(1000 * n), GRADUATED) for n in range(1, count + 1)])


def japanese_invoice() -> dict[str, Any]:
    customer = {"legal_name": "株式会社ひかり電機", "address_line1": "東京都千代田区丸の内1丁目9番1号", "city": "東京"}
    lines = [usage_line("プロ・API呼び出し", "18420", PerUnit(Decimal("0.35")), "JPY"), fee_line("4900", "JPY")]
    country = {"postal_code": "100-0005", "region": "", "country": "JP", "tax_id": "T1234567890123"}
    return invoice(lines, currency="JPY", percent="0", customer=customer | country)


def arabic_invoice() -> dict[str, Any]:
    customer = {
        "legal_name": "شركة الأمل للتجارة (ذ.م.م) 24",
        "address_line1": "شارع فهد السالم، برج 7",
        "postal_code": "13001",
        "city": "مدينة الكويت",
        "region": "",
        "country": "KW",
        "tax_id": "",
    }
    lines = [usage_line("Pro: استدعاءات API", "18420", PerUnit(Decimal("0.0015")), "KWD"), fee_line("15.5", "KWD")]
    return invoice(lines, currency="KWD", percent="0", note="Not subject to tax.", customer=customer)


def reverse_charge_invoice() -> dict[str, Any]:
    customer = {
        "legal_name": "Société Générale d'Électricité SARL",
        "address_line1": "12 rue de la Paix",
        "postal_code": "75002",
        "city": "Paris",
        "region": "",
        "country": "FR",
        "tax_id": "FR40303265045",
    }
    return invoice([fee_line("49")], percent="0", note=REVERSE_CHARGE_NOTE, customer=customer)


def credit_note() -> dict[str, Any]:
    return credit_note_content(
        full_invoice(),
        number="CN-2026-000003",
        issued_on=date(2026, 4, 9),
        reason="The service was not available from 3 to 9 March.",
    )


def exact_invoice() -> dict[str, Any]:
    """Return an invoice with the longest exact numbers, and a seller and a buyer of three scripts with brackets."""
    fine = PerUnit(Decimal("0.000000123456"))
    free = Graduated((Tier(Decimal(1000), Decimal(0)), Tier(None, Decimal("0.032"))))
    coarse = Graduated((Tier(Decimal("1000000.123456789"), Decimal("0.000012345678")), Tier(None, Decimal("1.5"))))
    lines = [
        usage_line("Scale: Bytes moved between regions", "987654321012.123456789", fine, unit="bytes"),
        usage_line("Scale: Requests", "900", free),
        usage_line("Scale: Compute", "1234567.123456789", coarse, unit="vCPU seconds"),
        usage_line("Scale: Probes", "0", PerUnit(Decimal(0)), unit="probes"),
        fee_line("199"),
    ]
    seller = ISSUER | {
        "legal_name": "חברת דוגמה (123) LTD",
        "registration": "Registrar of Companies, Jerusalem, 51-123456-7",
        "phone": "+972 2 123 4567 ext. 12 34 56",
        "website": "https://billing.a-long-name-of-a-company.example",
    }
    buyer = CUSTOMER | {
        "legal_name": "شركة الأمل (2024) ذ.م.م (Al Amal Ltd)",
        "address_line1": "שדרות רוטשילד 16 (קומה 3)",
        "tax_id": "",
    }
    return invoice(lines, issuer=seller, customer=buyer)


def endless_invoice() -> dict[str, Any]:
    """Return an invoice with a quantity and a price that no column holds."""
    terms = PerUnit(Decimal("1234567890.123456789012"))
    return invoice([usage_line("Pro: Calls", "0.000000001", terms)]) | {
        "lines": [
            line | {"quantity": "12345678901234567890123456789.123456789"}
            for line in invoice([usage_line("Pro: Calls", "0.000000001", terms)])["lines"]
        ]
    }
