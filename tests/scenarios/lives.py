"""Lives of tenants by the real services, each recorded at the same time for the plain calculation."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import Any, Final

from django.db.models import QuerySet
from django.db.models.functions import Coalesce
from hypothesis import strategies as st

from accounts.errors import InvalidFieldsError
from accounts.models import Tenant
from billing.desk.services.writing_off import write_off_invoice
from billing.domain.plan_terms import PriceOffer, VersionOffer
from billing.domain.prices import Flat, Graduated, Package, PerUnit, PriceTerms, Tier, Volume
from billing.domain.statuses import InvoiceStatus
from billing.errors import InvoiceStatusError
from billing.models import CreditNote, CreditTarget, Invoice, Issuer, PlanVersion, Subscription
from billing.selectors.invoicing.due import Due, due_subscriptions, ripe_invoices
from billing.services.catalog.plans import create_plan, publish_version
from billing.services.invoicing.crediting import credit_in_part
from billing.services.invoicing.payments import record_payment
from billing.services.invoicing.reissuing import reissue_invoice
from billing.services.invoicing.running import run_invoicing
from billing.services.invoicing.staff_actions import issue_credit_note, mark_uncollectible, void_invoice
from billing.services.subscriptions.changes import When, cancel_subscription, change_plan
from billing.services.subscriptions.profiles import update_billing_profile
from billing.services.subscriptions.subscribing import subscribe
from metering.domain.usage_plan_terms import UsagePlanTerms
from metering.services.usage_plans import create_usage_plan
from metering.services.voids import void_event
from tests.billing.world import STAFF, know_exchange_rates
from tests.metering.ledger_world import LONG_AGO, ledger_of, make_meter, make_tenant, send
from tests.scenarios.plain_life import Note, Phase, PlainEvent, PlainLife, Saying, Step
from tests.scenarios.plain_prices import PlainPlan, PlainPrice

METERS: Final = ("calls", "exports", "tokens")
DAYS_LATE: Final = 20
YEAR: Final = 2027
BEGIN: Final = datetime(YEAR, 1, 1, tzinfo=UTC)
OVER: Final = datetime(YEAR + 1, 3, 10, tzinfo=UTC)
CURRENCIES: Final = {"EUR": 2, "JPY": 0, "KWD": 3}
ZONES: Final = ("Europe/Brussels", "America/New_York", "Asia/Kolkata", "Asia/Beirut")
TAXES: Final = ("21", "25", "8.1", "0")
OWED: Final = frozenset({InvoiceStatus.FINALIZED, InvoiceStatus.UNCOLLECTIBLE})
ISSUED: Final = OWED | {InvoiceStatus.PAID}
STATUSES: Final = {
    "pay": OWED, "void": {InvoiceStatus.FINALIZED}, "give up": {InvoiceStatus.FINALIZED}, "credit": ISSUED,
    "again": ISSUED, "credit some": ISSUED,
}  # fmt: skip
SELLER: Final = {
    "legal_name": "Meterworks NV", "address_line1": "Kunstlaan 1", "postal_code": "1000", "city": "Brussels",
    "country": "BE", "tax_id": "BE0403019261",
}  # fmt: skip

TERMS: Final[dict[str, tuple[str, dict[str, PriceTerms]]]] = {
    "free": ("0", {}),
    "basic": ("29", {"calls": PerUnit(Decimal("0.0475")), "tokens": Package(Decimal(7), Decimal("0.35"))}),
    "team": ("99", {
        "calls": Graduated((Tier(Decimal(10), Decimal(0)), Tier(Decimal(40), Decimal("0.5"), Decimal("2.5")),
                            Tier(None, Decimal("0.011")))),
        "exports": Flat(Decimal("4.444")),
    }),
    "scale": ("199", {
        "calls": Graduated((Tier(Decimal(100), Decimal(0)), Tier(None, Decimal("0.032")))),
        "tokens": Package(Decimal(50), Decimal(2)),
        "exports": Flat(Decimal(9)),
    }),
    "volume": ("49", {
        "calls": Volume((Tier(Decimal(20), Decimal("0.07"), Decimal(1)), Tier(None, Decimal("0.05"), Decimal(3)))),
        "tokens": PerUnit(Decimal("0.123456789012")),
    }),
}  # fmt: skip


def plain_price(name: str, terms: PriceTerms) -> PlainPrice:
    """Return the same price as plain tiers."""
    match terms:
        case Flat(amount):
            return PlainPrice(name, "graduated", ((None, Fraction(), Fraction(amount)),))
        case PerUnit(rate):
            return PlainPrice(name, "graduated", ((None, Fraction(rate), Fraction()),))
        case Package(size, amount):
            return PlainPrice(name, "package", ((Fraction(size), Fraction(amount), Fraction()),))
    tiers = tuple(
        (None if tier.up_to is None else Fraction(tier.up_to), Fraction(tier.unit_amount), Fraction(tier.flat_amount))
        for tier in terms.tiers
    )
    return PlainPrice(name, "volume" if isinstance(terms, Volume) else "graduated", tiers)


PLAIN: Final = {
    code: PlainPlan(code, Fraction(fee), {meter: plain_price(f"{code} {meter}", it) for meter, it in usage.items()})
    for code, (fee, usage) in TERMS.items()
}


@dataclass(frozen=True)
class Act:
    """An event at some minute of the year, with numbers that choose what it happens to."""

    minute: int
    kind: str
    one: int = 0
    other: int = 0


@dataclass(frozen=True)
class Script:
    """A life before it is run."""

    begins_on: date
    zone: str
    currency: str
    plan: str
    acts: tuple[Act, ...]


KINDS: Final = (
    "use", "use", "use", "use", "use late", "use late", "void event", "void event", "move", "move", "trip",
    "move at end", "cancel", "cancel at end", "pay", "pay", "void", "credit", "give up", "tax", "again", "again",
    "credit some", "credit some",
)  # fmt: skip
ACTS: Final = st.builds(
    Act,
    minute=st.integers(1500, 365 * 1440),
    kind=st.sampled_from(KINDS),
    one=st.integers(0, 255),
    other=st.integers(0, 255),
)
SCRIPTS: Final = st.builds(
    Script,
    begins_on=st.sampled_from([date(YEAR, 1, day) for day in (1, 15, 31)]),  # few, so that a run takes many at once
    zone=st.sampled_from(ZONES),
    currency=st.sampled_from(sorted(CURRENCIES)),
    plan=st.sampled_from(sorted(TERMS)),
    acts=st.lists(ACTS, min_size=8, max_size=20).map(tuple),
)


def make_catalog() -> dict[str, PlanVersion]:
    """Publish each plan in every currency, and enter the seller."""
    for meter in METERS:
        make_meter(meter, meter, aggregation="sum")
    Issuer.objects.filter(pk=1).update(**SELLER)
    know_exchange_rates(*CURRENCIES, first=BEGIN.date() - timedelta(days=7), last=OVER.date())
    versions = {}
    for code, (fee, usage) in TERMS.items():
        create_usage_plan(code=code, terms=UsagePlanTerms(name=code), actor=STAFF, as_of=LONG_AGO)
        prices = [PriceOffer(currency, Flat(Decimal(fee))) for currency in CURRENCIES]
        prices += [PriceOffer(currency, it, meter) for currency in CURRENCIES for meter, it in usage.items()]
        plan = create_plan(code=code, name=code.title(), actor=STAFF, as_of=LONG_AGO)
        offer = VersionOffer(usage_plan_code=code, prices=tuple(prices))
        versions[code] = publish_version(plan=plan, offer=offer, actor=STAFF, as_of=LONG_AGO)
    return versions


@dataclass
class LivedLife:
    """One tenant: what the services did, and the same for the plain calculation."""

    number: int
    script: Script
    versions: dict[str, PlanVersion]
    gives_back: bool
    pending: str = ""
    boundaries: int = 0
    tenant: Tenant = field(init=False)
    subscription: Subscription = field(init=False)
    plain: PlainLife = field(init=False)

    def begin(self) -> None:
        """Subscribe at noon of the first day, so that the day is the same in every zone."""
        script = self.script
        self.tenant = make_tenant(
            f"life-{self.number}", time_zone=script.zone, currency=script.currency, backfill_days=DAYS_LATE,
            address_line1="Rue Haute 1", postal_code="1000", city="Brussels", country="BE",
        )  # fmt: skip
        at = datetime.combine(script.begins_on, BEGIN.timetz()) + timedelta(hours=12, seconds=self.number)
        self.set_tax(TAXES[0], at)
        self.plain = PlainLife(
            script.zone, CURRENCIES[script.currency], script.begins_on, at,
            [Phase(at, PLAIN[script.plan], self.gives_back)], [(at - timedelta(days=1), Fraction(TAXES[0]))],
            gives_back=self.gives_back, days_late=DAYS_LATE,
        )  # fmt: skip
        self.subscription = subscribe(
            tenant=self.tenant, plan_version=self.versions[script.plan], actor=STAFF, as_of=at, trial_days=0
        )

    def moments(self) -> list[tuple[datetime, Callable[[datetime], None]]]:
        """Return the acts with their moments. No two are at one moment."""
        script = self.script
        begins = datetime.combine(script.begins_on, BEGIN.timetz())
        acts: list[tuple[datetime, Callable[[datetime], None]]] = []
        for position, act in enumerate(script.acts):
            at = begins + timedelta(minutes=act.minute, seconds=position)
            acts.append((at, partial(self.act, act)))
        return acts

    def run(self, at: datetime) -> None:
        """Invoice what is due for this tenant, so that no boundary waits when an act comes."""
        if is_anything_due(at, due := Due(tenant_ids=[self.tenant.pk])):
            run_invoicing(as_of=at, due=due)
            self.ran(at)

    def ran(self, at: datetime) -> None:
        """Record that invoicing ran. Changes that waited for a boundary have taken effect."""
        self.plain.runs.append(at)
        while self.plain.closes(self.boundaries) <= at and self.plain.ended_at is None:
            closes = self.plain.closes(self.boundaries)
            if self.pending == "cancel" and self.boundaries:
                self.plain.ended_at = closes
            elif self.pending and self.boundaries:
                self.plain.phases.append(Phase(closes, PLAIN[self.pending], self.gives_back))
            if self.boundaries:
                self.pending = ""
            self.boundaries += 1

    # What happens

    def act(self, act: Act, at: datetime) -> None:
        """Run the act, if it is possible."""
        self.run(at - timedelta(microseconds=1))
        is_live = self.plain.ended_at is None
        kind = act.kind
        if kind in {"use", "use late"}:
            self.use(act, at, timedelta(hours=act.other % 47) if kind == "use" else timedelta(hours=act.other))
        elif kind == "void event":
            self.void_event(act, at)
        elif kind in {"pay", "void", "credit", "give up", "again", "credit some"}:
            self.change_document(kind, act, at)
        elif kind == "tax":
            percent = TAXES[act.one % len(TAXES)]
            self.set_tax(percent, at)
            self.plain.taxes.append((at, Fraction(percent)))
        elif is_live:
            self.change_subscription(kind, act, at)

    def change_subscription(self, kind: str, act: Act, at: datetime) -> None:
        others = sorted(set(TERMS) - {self.plain.phases[-1].plan.code})
        code = others[act.one % len(others)]
        self.subscription.refresh_from_db()
        if kind in {"move", "trip"}:
            home = self.plain.phases[-1].plan.code
            self.move(code, at)
            if kind == "trip":
                back_at = at + timedelta(seconds=1)
                self.use(act, back_at, timedelta(milliseconds=500))
                self.move(home, back_at)
        elif kind == "move at end":
            change_plan(
                subscription=self.subscription, plan_version=self.versions[code], when=When.PERIOD_END, actor=STAFF,
                as_of=at,
            )  # fmt: skip
            self.pending = code
        else:
            when = When.NOW if kind == "cancel" else When.PERIOD_END
            if act.one < 128:  # half of them think better of it
                cancel_subscription(subscription=self.subscription, when=when, actor=STAFF, as_of=at)
                self.pending = "" if when is When.NOW else "cancel"
                self.plain.ended_at = at if when is When.NOW else None

    def move(self, code: str, at: datetime) -> None:
        self.subscription.refresh_from_db()
        change_plan(
            subscription=self.subscription, plan_version=self.versions[code], when=When.NOW, actor=STAFF, as_of=at
        )
        self.plain.phases.append(Phase(at, PLAIN[code], self.gives_back))
        self.pending = ""

    def use(self, act: Act, at: datetime, ago: timedelta) -> None:
        """Report usage of so long ago."""
        meter, quantity = METERS[act.one % len(METERS)], Decimal(act.one * 1000 + act.other) / 1000
        occurred_at = at - ago - timedelta(milliseconds=1)
        event_id = f"{self.number}-{len(self.plain.events)}"
        body = {"id": event_id, "type": meter, "quantity": str(quantity), "timestamp": occurred_at.isoformat()}
        send(ledger_of(self.tenant), [body], as_of=at)
        self.plain.events.append(PlainEvent(event_id, meter, Fraction(quantity), occurred_at, at))

    def void_event(self, act: Act, at: datetime) -> None:
        standing = [event for event in self.plain.events if event.voided_at is None]
        if standing:
            event = standing[-1 - act.one % min(len(standing), 6)]
            event.voided_at = at
            void_event(ledger=ledger_of(self.tenant), event_id=event.id, reason="x", voided_by="x", as_of=at)

    def set_tax(self, percent: str, at: datetime) -> None:
        """Set the rate that the tenant bears, as staff do. 0 is an exemption."""
        changes: dict[str, Any] = {"tax_treatment": "standard", "tax_percent": Decimal(percent)}
        if percent == "0":
            changes = {"tax_treatment": "exempt", "tax_exemption_reason": "An embassy."}
        update_billing_profile(tenant=self.tenant, changes=changes, actor=STAFF, as_of=at)

    def change_document(self, kind: str, act: Act, at: datetime) -> None:
        invoice = self.documents(kind)[act.one % 2 :].first()
        if invoice is None:
            return
        boundary = (invoice.original or invoice).boundary
        assert boundary is not None, "an invoice closes a boundary, or stands in the place of one that does"
        step = Step(at, kind, boundary)
        if kind == "pay":
            record_payment(
                invoice_id=invoice.pk, provider="transfer", reference=f"{invoice.pk} {at}",
                amount_minor=invoice.amount_due_minor, currency=invoice.currency, occurred_at=at, as_of=at,
            )  # fmt: skip
        elif kind == "give up":
            mark_uncollectible(invoice_id=invoice.pk, reason="gone", actor=STAFF, as_of=at)
            if act.other % 2:  # the books recover what is paid after all
                write_off_invoice(invoice_id=invoice.pk, reason="gone", actor=STAFF, as_of=at)
        elif kind == "again":
            with suppress(InvoiceStatusError):  # the plain calculation says when
                reissue_invoice(invoice_id=invoice.pk, reason="wrong", actor=STAFF, as_of=at)
        elif kind == "credit some":
            step = self.credit_some(invoice, step, act)
        else:
            step = replace(step, kind="gone")
            change = void_invoice if kind == "void" else issue_credit_note
            change(invoice_id=invoice.pk, reason="wrong", actor=STAFF, as_of=at)
        self.plain.steps.append(step)

    def documents(self, kind: str) -> QuerySet[Invoice]:
        """Return the documents to which it may happen, the latest boundary first."""
        documents = Invoice.objects.filter(
            subscription=self.subscription, status__in=STATUSES[kind], credit_note=None
        ).select_related("original")
        if kind != "again":
            documents = documents.filter(total_minor__gt=0)
        if kind in {"void", "credit", "again"}:
            documents = documents.filter(credited_minor=0)
        if kind == "void":
            documents = documents.filter(amount_paid_minor=0)
        return documents.order_by(Coalesce("original__boundary", "boundary").desc())

    def credit_some(self, invoice: Invoice, step: Step, act: Act) -> Step:
        """Credit some of it: over all lines, or of one of those that charge something."""
        lines = invoice.lines.filter(revision=invoice.revision, amount_minor__gt=0).exclude(kind="carry")
        charging = list(lines.order_by("position").values_list("position", "amount_minor"))
        if not charging:
            return step
        nth = None if act.one < 96 else act.one % len(charging)
        most = invoice.subtotal_minor if nth is None else charging[nth][1]
        amount = max(most * (act.other + 1) // 250, 1)  # sometimes a little too much
        what: dict[str, Any] = {"amount_minor": amount} if nth is None else {"amounts": {charging[nth][0]: amount}}
        with suppress(InvalidFieldsError):
            credit_in_part(
                invoice_id=invoice.pk, goes_to=(CreditTarget.REFUND, CreditTarget.BALANCE)[act.one % 2], reason="wrong",
                actor=STAFF, as_of=step.at, **what,
            )  # fmt: skip
        return replace(step, amount=amount, nth=nth)


def is_anything_due(at: datetime, due: Due) -> bool:
    """Return whether a run would do anything. Most would not."""
    return due_subscriptions(at, due).exists() or ripe_invoices(at, due).exists()


def live(scripts: Sequence[Script], versions: dict[str, PlanVersion], *, gives_back: bool) -> list[LivedLife]:
    """Run all lives through their year together, in the order of time. The worker runs every four days."""
    Issuer.objects.filter(pk=1).update(fee_refund="by_day" if gives_back else "none")
    lives = [LivedLife(number, script, versions, gives_back) for number, script in enumerate(scripts)]
    for life in sorted(lives, key=lambda one: (one.script.begins_on, one.number)):
        life.begin()
    acts = [(at, life.number, act) for life in lives for at, act in life.moments()]
    runs = [(BEGIN + timedelta(days=day, hours=3, minutes=7), -1, None) for day in range(33, 430, 4)]
    for at, _number, act in sorted([*acts, *runs], key=lambda one: one[:2]):
        if act is not None:
            act(at)
        elif is_anything_due(at, Due()):
            run_invoicing(as_of=at)
            for life in lives:
                life.ran(at)
    return lives


@dataclass(frozen=True)
class Told:
    """What the documents of a life say, by boundary in the order in which they were issued, and its credit notes."""

    documents: dict[int, list[Saying]]
    notes: list[Note]


def stated(life: LivedLife) -> Told:
    """Return what the real documents say."""
    told = Told(defaultdict(list), [])
    invoices = Invoice.objects.issued().filter(subscription=life.subscription).select_related("original")
    for invoice in invoices.order_by("finalized_at", "number"):
        lines = invoice.lines.filter(revision=invoice.revision).exclude(kind="carry").exclude(amount_minor=0)
        amounts = Counter((line.amount_minor, Fraction(line.tax_percent)) for line in lines)
        boundary = (invoice.original or invoice).boundary
        assert boundary is not None, "an invoice closes a boundary, or stands in the place of one that does"
        said = Saying(amounts, invoice.subtotal_minor, invoice.tax_minor, invoice.total_minor)
        told.documents[boundary].append(said)
    notes = CreditNote.objects.filter(part_of__subscription=life.subscription).select_related("part_of__original")
    for note in notes.order_by("issued_at"):
        assert note.part_of is not None, "it was asked for"
        boundary = (note.part_of.original or note.part_of).boundary or 0
        credited = tuple(sorted(line["amount_minor"] for line in note.credited_lines))
        told.notes.append(Note(boundary, credited, note.tax_minor, note.total_minor))
    return told


def expected(plain: PlainLife) -> Told:
    """Return what the documents must say. A last correction that finds nothing has no invoice."""
    plain.live()
    return Told({one.boundary: one.said for one in plain.documents}, plain.notes)
