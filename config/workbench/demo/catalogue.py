"""The demo's catalogue and issuer: plans in every currency of its tenants, taxes, and who sells them.

Prices in other currencies are the euro's at a rounded rate, as in a real price list.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from io import BytesIO
from typing import Final

from PIL import Image, ImageDraw

from billing.domain.money import currency_digits
from billing.domain.plan_terms import PriceOffer, VersionOffer
from billing.domain.prices import Flat, Graduated, Package, PerUnit, PriceTerms, Tier

RATES: Final[dict[str, Decimal]] = {
    "EUR": Decimal(1), "USD": Decimal("1.1"), "GBP": Decimal("0.85"), "AUD": Decimal("1.7"), "JPY": Decimal(170),
    "NOK": Decimal(12), "BRL": Decimal(6), "INR": Decimal(95),
}  # fmt: skip
TAXES: Final = (
    ("BE", "VAT", "21"), ("DE", "USt.", "19"), ("FR", "TVA", "20"), ("IE", "VAT", "23"),
)  # fmt: skip
# The country, the name, the rate before the change and the one since then.
CHANGED_TAX: Final = ("PT", "IVA", "22", "23")
ISSUER: Final[dict[str, object]] = {
    "legal_name": "Wayfinder APIs BV",
    "address_line1": "Meir 24",
    "postal_code": "2000",
    "city": "Antwerp",
    "country": "BE",
    "tax_id": "BE0417497106",
    "registration": "RPR Antwerp 0417.497.106",
    "email": "billing@wayfinder.example",
    "phone": "+32 3 555 01 40",
    "website": "https://wayfinder.example",
    "bank_account": "IBAN BE68 5390 0754 7034\nBIC TRIOBEBB",
    "payment_terms": "Late payments bear interest at the statutory rate.",
    "footer": "A demo document with made-up data: nothing is owed for it.",
    "time_zone": "Europe/Brussels",
}
# Consumers of other member states are taxed at their countries' rates.
ONE_STOP_SHOP: Final[dict[str, object]] = {"country": "BE", "scheme": "oss_union"}
# By slug: the street, the postal code and the tax id that an invoice is addressed to.
ADDRESSES: Final[dict[str, tuple[str, str, str]]] = {
    "northwind-maps": ("Torstraße 140", "10119", ""),
    "harbor-analytics": ("211 Congress Street", "02110", ""),
    "lumen-weather": ("60 Margaret Street", "2000", "51824753556"),
    "kestrel-logistics": ("12 Wellington Place", "LS1 4AP", "GB980780684"),
    "sakura-payments": ("梅田 2-4-9", "530-0001", "T7000012050002"),
    "fjord-robotics": ("Strandgaten 6", "5013", "NO974760673"),
    "bluebird-travel": ("Rua da Aurora 325", "50050-000", ""),
    "atlas-freight": ("MG Road 41", "411001", "27AAPFU0939F1ZV"),
    "pixel-bakery": ("900 SE Alder Street", "97214", ""),
    "cedar-atelier": ("8 rue Mercière", "69002", "FR40303265045"),
    "quiet-harbour-studio": ("Rua das Flores 90", "4050-265", ""),
    "oldgate-devices": ("7 Oliver Plunkett Street", "T12 X2H4", "IE6388047V"),
}


def drawn_logo() -> bytes:
    """Return the made-up seller's logo as PNG: a needle in a circle."""
    picture = Image.new("RGBA", (162, 162), (255, 255, 255, 0))
    pen = ImageDraw.Draw(picture)
    pen.ellipse((6, 6, 156, 156), fill="#1d4d3a")
    pen.polygon([(81, 24), (105, 81), (81, 138), (57, 81)], fill="#f3efe4")
    pen.ellipse((71, 71, 91, 91), fill="#1d4d3a")
    written = BytesIO()
    picture.save(written, "PNG")
    return written.getvalue()


@dataclass(frozen=True, slots=True)
class DemoProduct:
    """A plan for sale, on the usage plan of the same code; `fee` in euros."""

    code: str
    name: str
    description: str
    fee: str
    prices: tuple[tuple[str, PriceTerms], ...] = ()
    trial_days: int = 0
    mark: str = ""
    features: tuple[str, ...] = ()


PRODUCTS: Final = (
    DemoProduct("free", "Free", "To try it out: 500 requests a month, then it stops.", "0",
        features=("Every feature of the API",),
    ),
    DemoProduct(
        "growth", "Growth", "For a product with its first customers. Requests above 300 a month are billed each.", "49",
        prices=(
            ("api_requests", Graduated((Tier(Decimal(300), Decimal(0)), Tier(None, Decimal("0.045"))))),
        ),
        trial_days=14,
        mark="Most chosen",
        features=("Every feature of the API", "Help by e-mail within a working day"),
    ),
    DemoProduct(
        "scale", "Scale", "For steady traffic: the more you send, the less each request costs.", "199",
        prices=(
            (
                "api_requests",
                Graduated((
                    Tier(Decimal(1_000), Decimal(0)),
                    Tier(Decimal(3_000), Decimal("0.032")),
                    Tier(None, Decimal("0.021")),
                )),
            ),
            ("api_bytes", Package(Decimal(10_000_000), Decimal("0.9"))),
        ),
        features=(
            "Every feature of the API",
            "Help by e-mail within a working day",
            "A telephone number for emergencies",
            "99.9 % uptime, with credit for less",
        ),
    ),
)  # fmt: skip


# On the pricing page.
QUESTIONS: Final = (
    (
        "What happens when I use more than my plan includes?",
        (
            "On Growth and Scale you go on, and each further request is charged at the price of its tier.\n\n"
            "Free stops at 500 requests a month. Requests are then refused until the first of the next month."
        ),
    ),
    (
        "Can I change my plan at any time?",
        (
            "Yes. A larger plan begins at once: the rest of the old fee is credited by the day. A smaller one begins "
            "with your next period, unless you choose otherwise. You see the invoice before you confirm."
        ),
    ),
    (
        "Which taxes are added?",
        (
            "VAT of your country, if you are a consumer in the European Union.\n\n"
            "A business with a valid VAT number in another member state accounts for it itself: "
            "https://europa.eu/youreurope/business/taxation/"
        ),
    ),
    ("How do I pay?", "By card, or by bank transfer within 14 days of the invoice."),
)


def offer_of(product: DemoProduct) -> VersionOffer:
    """Return the plan's first version, in every currency."""
    return VersionOffer(
        usage_plan_code=product.code,
        trial_days=product.trial_days,
        prices=tuple(offer for currency in RATES for offer in _prices(product, currency)),
    )


def _prices(product: DemoProduct, currency: str) -> list[PriceOffer]:
    fee = (Decimal(product.fee) * RATES[currency]).quantize(Decimal(1), ROUND_HALF_UP)
    usage = [PriceOffer(currency, _converted(terms, currency), meter) for meter, terms in product.prices]
    return [PriceOffer(currency, Flat(fee)), *usage]


def _converted(terms: PriceTerms, currency: str) -> PriceTerms:
    match terms:
        case Graduated(tiers):
            return Graduated(tuple(Tier(tier.up_to, _rate(tier.unit_amount, currency)) for tier in tiers))
        case Package(size, amount):
            return Package(size, _rate(amount, currency))
        case PerUnit(amount):
            return PerUnit(_rate(amount, currency))
    return terms


def _rate(euros: Decimal, currency: str) -> Decimal:
    step = Decimal(1).scaleb(-currency_digits(currency) - 2)
    return (euros * RATES[currency]).quantize(step, ROUND_HALF_UP)
