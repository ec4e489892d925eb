"""Play lives by the code of commit 852d7b9, one tenant for each fault that is seen in what it stored.

Run in a checkout of that commit (README.md beside this file says how); today's code does not run it. Each tenant's slug
begins with the row of the table of faults that it shows; `honest-` tenants show none.
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.conf import settings  # noqa: E402

from accounts.domain.actor import Actor  # noqa: E402
from accounts.domain.reach import WayIn, let_process_reach  # noqa: E402
from accounts.models import Tenant  # noqa: E402
from billing.domain.prices import Graduated, Package, PerUnit, Tier  # noqa: E402
from billing.models import Invoice, Issuer, PlanVersion, Subscription, TaxRate  # noqa: E402
from billing.selectors.invoicing.due import Due  # noqa: E402
from billing.services.invoicing.issuer import update_issuer  # noqa: E402
from billing.services.invoicing.payments import record_payment  # noqa: E402
from billing.services.invoicing.running import run_invoicing  # noqa: E402
from billing.services.invoicing.staff_actions import issue_credit_note, mark_uncollectible, void_invoice  # noqa: E402
from billing.services.subscriptions.changes import When, cancel_subscription, change_plan  # noqa: E402
from billing.services.subscriptions.profiles import update_billing_profile  # noqa: E402
from billing.verification.services.running import run_verification  # noqa: E402
from metering.services.voids import void_event  # noqa: E402
from tests.billing.world import make_plan, subscribe_tenant, use  # noqa: E402
from tests.metering.ledger_world import ledger_of, make_meter  # noqa: E402

STAFF = Actor.system("staff")
SELLER = {
    "legal_name": "Meterworks NV",
    "address_line1": "Kunstlaan 1",
    "postal_code": "1000",
    "city": "Brussels",
    "country": "BE",
    "tax_id": "BE0403019261",
    "registration": "RPR Brussels 0403.019.261",
    "email": "bills@meterworks.example",
}
SWISS_SELLER = {
    "legal_name": "Meterworks AG",
    "address_line1": "Bahnhofstrasse 1",
    "postal_code": "8001",
    "city": "Zurich",
    "country": "CH",
    "tax_id": "CHE-116.281.710 MWST",
    "registration": "",
}
ADDRESS = {"address_line1": "Rue Haute 1", "postal_code": "1000", "city": "Brussels", "country": "BE"}
GERMAN = {"address_line1": "Hauptstr. 1", "postal_code": "10115", "city": "Berlin", "country": "DE"}
HOUR = timedelta(hours=1)


def moment(month: int, day: int, hour: int = 12, minute: int = 0, *, year: int = 2026) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


class Play:
    """Acts in the order of time; invoicing runs each night at two and before each act."""

    def __init__(self) -> None:
        self.acts: list[tuple[datetime, Callable[[], object]]] = []
        self.subscriptions: dict[str, Subscription] = {}
        self.events: dict[str, list[str]] = {}
        self.plans: dict[str, PlanVersion] = {}

    def at(self, when: datetime, act: Callable[[], object]) -> None:
        self.acts.append((when, act))

    def run(self) -> None:
        acts = sorted(self.acts, key=lambda act: act[0])
        night = acts[0][0].replace(hour=2, minute=0)
        while night < moment(12, 5):
            for when, act in acts:
                if night - timedelta(days=1) <= when < night:
                    run_invoicing(as_of=when)
                    act()
                    run_invoicing(as_of=when)
            run_invoicing(as_of=night)
            night += timedelta(days=1)

    # What tenants do

    def begins(self, slug: str, plan: str, when: datetime, **fields: object) -> None:
        where = {"time_zone": "Europe/Brussels", **ADDRESS, **fields}

        def act() -> None:
            self.subscriptions[slug] = subscribe_tenant(slug, plan=self.plans[plan], as_of=when, **where)

        self.at(when, act)

    def uses(
        self, slug: str, quantity: int, when: datetime, *, name: str = "", type_: str = "http_request",
        sent: datetime | None = None,
    ) -> None:  # fmt: skip
        def act() -> None:
            ids = use(self.tenant(slug), quantity, at=when, as_of=sent, type=type_)
            self.events[name or slug] = ids

        self.at(sent or when, act)

    def voids(self, slug: str, when: datetime, *, name: str = "") -> None:
        def act() -> None:
            for event_id in self.events[name or slug]:
                void_event(
                    ledger=ledger_of(self.tenant(slug)), event_id=event_id, reason="test", voided_by="staff",
                    as_of=when,
                )  # fmt: skip

        self.at(when, act)

    def moves(self, slug: str, plan: str, when: datetime, *, how: When = When.NOW) -> None:
        self.at(when, lambda: change_plan(subscription=self.subscriptions[slug], plan_version=self.plans[plan],
                                          when=how, actor=STAFF, as_of=when))  # fmt: skip

    def cancels(self, slug: str, when: datetime, *, how: When = When.NOW) -> None:
        self.at(
            when,
            lambda: cancel_subscription(subscription=self.subscriptions[slug], when=how, actor=STAFF, as_of=when),
        )

    def pays(self, slug: str, boundary: int, when: datetime) -> None:
        def act() -> None:
            invoice = self.invoice(slug, boundary)
            record_payment(
                invoice_id=invoice.pk, provider="transfer", reference=f"{slug}-{boundary}",
                amount_minor=invoice.total_minor, currency=invoice.currency, occurred_at=when, as_of=when,
            )  # fmt: skip

        self.at(when, act)

    def staff(self, slug: str, boundary: int, when: datetime, act: Callable[..., object], reason: str) -> None:
        self.at(
            when,
            lambda: act(invoice_id=self.invoice(slug, boundary).pk, reason=reason, actor=STAFF, as_of=when),
        )

    def tenant(self, slug: str) -> Tenant:
        return Tenant.objects.get(slug=slug)

    def invoice(self, slug: str, boundary: int) -> Invoice:
        return Invoice.objects.get(subscription=self.subscriptions[slug], boundary=boundary)


def catalog(play: Play) -> None:
    make_meter("calls", "http_request", unit="calls", aggregation="sum")
    make_meter("exports", "export", unit="exports", aggregation="sum")
    rate = Decimal
    team = Graduated((Tier(rate(10), rate(0), rate(0)), Tier(None, rate("0.50"), rate(0))))
    scale = Graduated((Tier(rate(1000), rate(0), rate(0)), Tier(None, rate("0.032"), rate(0))))
    growth = Graduated((Tier(rate(300), rate(0), rate(0)), Tier(None, rate("0.04"), rate(0))))
    fees = {
        "free": ("0", {}),
        "basic": ("29", {"calls": PerUnit(rate("0.01"))}),
        "team": ("99", {"calls": team}),
        "growth": ("49", {"calls": growth, "exports": Package(rate(100), rate(5))}),
        "scale": ("199", {"calls": scale, "exports": Package(rate(100), rate(8))}),
        "enterprise": ("1000", {"calls": PerUnit(rate("0.01"))}),
    }
    for code, (fee, usage) in fees.items():
        play.plans[code] = make_plan(code, fee={"EUR": fee, "USD": fee}, usage=usage)
    for country, percent in (("BE", 21), ("DE", 19), ("LU", 21), ("FR", 20)):
        TaxRate.objects.create(country=country, name="VAT", percent=percent)


def faults_of_voids_and_taxes(play: Play) -> None:
    """Plant rows 1 to 7 of the table, as near to its numbers as one year allows."""
    start = moment(1, 1)
    # 1: the correction of -50.00 stands on an invoice that staff void; then the rest is voided, too.
    slug = "row-1-void-of-a-correction"
    play.begins(slug, "basic", start)
    play.uses(slug, 5000, moment(1, 10), name="1a")
    play.uses(slug, 9500, moment(1, 11), name="1b")
    play.pays(slug, 1, moment(2, 5))
    play.voids(slug, moment(2, 10), name="1a")
    play.uses(slug, 10000, moment(2, 11), name="1c")
    play.staff(slug, 2, moment(3, 10), void_invoice, "Wrong address")
    play.voids(slug, moment(3, 12), name="1b")
    # 2: the credit of a downgrade stands on an invoice that staff void.
    slug = "row-2-downgrade-credit-on-a-void-invoice"
    play.begins(slug, "enterprise", moment(4, 1))
    play.pays(slug, 0, moment(4, 1, 18))
    play.moves(slug, "basic", moment(4, 2))
    play.uses(slug, 150_000, moment(4, 10))
    play.staff(slug, 1, moment(5, 5), void_invoice, "Wrong address")
    # 3: Scale, Growth and Scale again in a day; exports by the package.
    slug = "row-3-plan-trip"
    play.begins(slug, "scale", start)
    play.uses(slug, 900, moment(1, 10, 9))
    play.uses(slug, 20, moment(1, 10, 9, 30), type_="export")
    play.moves(slug, "growth", moment(1, 10, 10))
    play.moves(slug, "scale", moment(1, 10, 11))
    play.uses(slug, 900, moment(1, 10, 12))
    play.uses(slug, 20, moment(1, 10, 12, 30), type_="export")
    # 4: usage taxed with 19 % is paid; then there is a VAT id; then the usage is voided.
    slug = "row-4-tax-id-then-void"
    play.begins(slug, "basic", start, **GERMAN)
    play.uses(slug, 10_000, moment(1, 10))
    play.pays(slug, 1, moment(2, 5))
    play.at(moment(2, 8), lambda: Tenant.objects.filter(slug="row-4-tax-id-then-void").update(tax_id="DE136695976"))
    play.voids(slug, moment(2, 10))
    # 5: the rate changes in March; usage of February comes late.
    slug = "row-5-late-usage-at-a-new-rate"
    play.begins(slug, "basic", start, address_line1="Grand-Rue 1", postal_code="1661", city="Luxembourg", country="LU")
    play.uses(slug, 1000, moment(2, 10))
    play.uses(slug, 10_000, moment(2, 20), sent=moment(3, 5))
    # 6: credited because the address was wrong, and never billed again.
    slug = "row-6-credited-and-never-billed-again"
    play.begins(slug, "basic", start)
    play.uses(slug, 12_100, moment(1, 10))
    play.staff(slug, 1, moment(2, 10), issue_credit_note, "Wrong address")
    # 7: tax ids that are none.
    zeros = {"address_line1": "Rue de Rivoli 1", "postal_code": "75001", "city": "Paris", "country": "FR"}
    play.begins("row-7-zeros-of-germany", "basic", start, **GERMAN, tax_id="DE000000000")
    play.begins("row-7-zeros-of-france", "basic", start, **zeros, tax_id="FR00000000000")
    play.begins("row-7-an-id-of-no-country", "basic", start, **GERMAN, tax_id="NONE1234")


def faults_of_ends_and_documents(play: Play) -> None:
    """Plant rows 8 to 15."""
    start = moment(1, 1)
    # 8: an upgrade, then "cancel now" a day later.
    slug = "row-8-upgrade-then-cancel"
    play.begins(slug, "basic", moment(4, 1))
    play.moves(slug, "scale", moment(4, 2, 10))
    play.cancels(slug, moment(4, 2, 15))
    # 9: "cancel now" keeps the fee, and "Free now, then cancel" gives it back.
    for slug in ("row-9-cancelled-now", "row-9-free-then-cancelled"):
        play.begins(slug, "enterprise", moment(4, 1))
        play.pays(slug, 0, moment(4, 1, 18))
    play.cancels("row-9-cancelled-now", moment(4, 2, 15))
    play.moves("row-9-free-then-cancelled", "free", moment(4, 2, 10))
    play.cancels("row-9-free-then-cancelled", moment(4, 2, 15))
    # 11: an invoice in USD, with tax, by a seller in the EU.
    play.begins("row-11-dollars", "basic", start, currency="USD")
    # 12: October's invoice is credited in November.
    slug = "row-12-credited-in-november"
    play.begins(slug, "basic", moment(10, 1))
    play.uses(slug, 10_000, moment(10, 10))
    play.staff(slug, 0, moment(11, 10), issue_credit_note, "Gesture of goodwill")
    # 13: a first period that begins on a day whose midnight does not exist.
    play.begins("row-13-beirut", "basic", moment(3, 29), address_line1="Hamra Street 1", postal_code="1103",
                city="Beirut", country="LB", time_zone="Asia/Beirut")  # fmt: skip
    # 14: a country that has no rate.
    play.begins("row-14-no-rate", "basic", start, address_line1="Graben 1", postal_code="1010", city="Vienna",
                country="AT")  # fmt: skip
    # 15: given up as uncollectible, then a downgrade.
    slug = "row-15-uncollectible-then-downgrade"
    play.begins(slug, "team", start)
    play.staff(slug, 0, moment(1, 5), mark_uncollectible, "Unreachable")
    play.moves(slug, "basic", moment(1, 6))
    play.uses(slug, 1000, moment(1, 7))


def honest(play: Play) -> None:
    """Run tenants without any fault."""
    start = moment(1, 1)
    slug = "honest-belgian"
    play.begins(slug, "basic", start)
    for month in range(1, 11):
        play.uses(slug, 1000 * month + 7, moment(month, 10))
        play.pays(slug, month, moment(month + 1, 6))
    play.uses(slug, 250, moment(3, 20), sent=moment(4, 9))
    play.voids(slug, moment(11, 5))
    slug = "honest-german-business"
    play.begins(slug, "team", start, **GERMAN, tax_id="DE136695976")
    play.uses(slug, 1500, moment(1, 10))
    play.moves(slug, "scale", moment(2, 14))
    play.uses(slug, 1500, moment(2, 20))
    play.uses(slug, 20, moment(3, 5), type_="export")
    slug = "honest-american"
    play.begins(slug, "scale", start, address_line1="1 Market St", postal_code="94105", city="San Francisco",
                country="US", time_zone="America/Los_Angeles")  # fmt: skip
    play.uses(slug, 4000, moment(1, 10))
    play.moves(slug, "basic", moment(2, 3), how=When.PERIOD_END)
    play.uses(slug, 900, moment(3, 20))
    play.cancels(slug, moment(5, 20), how=When.PERIOD_END)
    slug = "honest-downgraded"  # what is left of the fee is used up by the invoices that follow
    play.begins(slug, "scale", moment(2, 1))
    play.pays(slug, 0, moment(2, 2))
    play.moves(slug, "basic", moment(2, 15))
    play.uses(slug, 300, moment(2, 20))
    slug = "honest-given-up"
    play.begins(slug, "basic", start)
    play.staff(slug, 0, moment(3, 5), mark_uncollectible, "Unreachable")
    play.staff(slug, 1, moment(3, 5), void_invoice, "Gesture of goodwill")
    slug = "honest-exempt"
    play.begins(slug, "growth", moment(5, 31))
    exempt = {"tax_treatment": "exempt", "tax_exemption_reason": "Article 151 of Directive 2006/112/EC: an embassy."}
    play.at(
        moment(5, 31, 12, 1),
        lambda: update_billing_profile(
            tenant=play.tenant("honest-exempt"), changes=exempt, actor=STAFF, as_of=moment(5, 31, 12, 1)
        ),
    )
    play.uses(slug, 1200, moment(6, 10))
    play.uses(slug, 250, moment(7, 10), type_="export")


def main() -> None:
    """Run all of it, and check that the code of then finds nothing."""
    let_process_reach(WayIn.JOBS)
    settings.ABSURD_INVOICE_FLOOR = 10**12
    play = Play()
    catalog(play)
    # 10: the seller was not entered yet.
    december = moment(12, 1, year=2025)
    nowhere = dict.fromkeys(ADDRESS, "")
    Play.begins(play, "row-10-your-company", "basic", december, **nowhere, time_zone="UTC")
    play.acts.pop()[1]()
    run_invoicing(as_of=december)
    cancel_subscription(subscription=play.subscriptions["row-10-your-company"], when=When.NOW, actor=STAFF,
                        as_of=december + HOUR)  # fmt: skip
    run_invoicing(as_of=december + 3 * HOUR)
    update_issuer(changes=SELLER, actor=STAFF, as_of=moment(12, 20, year=2025))
    faults_of_voids_and_taxes(play)
    faults_of_ends_and_documents(play)
    honest(play)
    play.at(moment(3, 1, 18), lambda: TaxRate.objects.filter(country="LU").update(percent=25))
    play.run()
    # 16: a seller in Switzerland, and a business in Germany.
    december = moment(12, 10)
    update_issuer(changes=SWISS_SELLER, actor=STAFF, as_of=december)
    TaxRate.objects.create(country="CH", name="MWST", percent=Decimal("8.1"))
    play.begins("row-16-swiss-seller", "basic", december, **GERMAN, tax_id="DE136695976")
    play.acts.pop()[1]()
    run_invoicing(as_of=december, due=Due(tenant_ids=[play.tenant("row-16-swiss-seller").pk]))
    update_issuer(changes=SELLER, actor=STAFF, as_of=december + HOUR)
    found = run_verification(started_by="play", as_of=december + 2 * HOUR)
    assert Issuer.objects.get().country == "BE"
    print(f"{found.verified} invoices, {len(found.differences)} differences")
    assert not found.differences, found.differences


if __name__ == "__main__":
    main()
