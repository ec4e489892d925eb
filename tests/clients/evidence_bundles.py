"""A customer's invoices with all that an invoice can have, and their evidence.

Months of Acme: four kinds of meters and prices, a change of plan to and fro, late events and a void, a single item,
tax, and a key that was rotated.
"""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from billing.desk.services.items import add_item
from billing.domain.invoicing.items import Item
from billing.domain.prices import Graduated, Package, PerUnit, Tier, Volume
from billing.evidence.domain.bundle import EventsShown, EvidenceStatement, digest_of_head
from billing.evidence.services.bundles import evidence_of
from billing.models import Invoice, Issuer, Subscription, TaxRate
from billing.services.invoicing.running import run_invoicing
from billing.services.subscriptions.changes import When, change_plan
from metering.proofs.domain.signatures import sign
from metering.proofs.models import ProofKey
from metering.proofs.selectors.keys import published_keys
from metering.proofs.services.day_signing import sign_days
from metering.proofs.services.keys import private_part, rotate_key
from metering.services.voids import void_event
from tests.billing.world import GRACE, STAFF, make_plan, subscribe_tenant, use
from tests.metering.ledger_world import ledger_of, make_meter

FEBRUARY, MARCH, APRIL = (datetime(2026, month, 1, tzinfo=UTC) for month in (2, 3, 4))
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Evidence:
    """The bundles of all invoices in their order, the same with hashes, the published keys, and the key that signs."""

    full: list[bytes]
    hashes: list[bytes]
    keys: bytes
    key_id: str
    private: bytes

    def signed_again(self, bundle: dict[str, Any]) -> dict[str, Any]:
        """Return a bundle whose head bears the seller's true signature, whatever it says."""
        head = bundle["head"]
        statement = EvidenceStatement(head["tenant"], head["invoice"], digest_of_head(head), self.key_id)
        bundle["signature"] = {"key": self.key_id, "signature": sign(self.private, statement.text).hex()}
        return bundle

    def sign_another_history(self, day: dict[str, Any]) -> None:
        """Change the root of a signed day, and sign it by the seller's own key."""
        day |= {"root": "00" * 32, "key": self.key_id}
        text = "countinghouse root v1\n" + "".join(
            f"{member} {'-' if day[member] is None else day[member]}\n"
            for member in ("tenant", "ledger", "day", "leaves", "late", "oldest", "root", "previous", "key", "signed")
        )
        day["signature"] = sign(self.private, text.encode()).hex()


def make_evidence() -> Evidence:
    """Create two months of usage and invoices, and sign their days."""
    subscription = lived_months()
    sign_days(as_of=MARCH + DAY / 12)
    rotate_key(as_of=MARCH + DAY / 4)
    sign_days(as_of=APRIL + 2 * DAY)
    invoices = Invoice.objects.filter(subscription=subscription).order_by("boundary")
    key = ProofKey.objects.order_by("-created_at")[0]
    return Evidence(
        full=[text_of(invoice, EventsShown.FULL) for invoice in invoices],
        hashes=[text_of(invoice, EventsShown.HASHES) for invoice in invoices],
        keys=json.dumps({"keys": published_keys()}, default=str).encode(),
        key_id=key.id,
        private=private_part(key),
    )


def text_of(invoice: Invoice, shown: EventsShown) -> bytes:
    return b"".join(evidence_of(invoice=invoice, shown=shown, as_of=APRIL + 2 * DAY))


def lived_months() -> Subscription:
    TaxRate.objects.create(country="BE", name="VAT", percent=Decimal(21))
    Issuer.objects.update(country="BE")
    make_meter("calls", "http_request", unit="calls", aggregation="sum", filters={"status": ["200"]})
    make_meter("tokens", "completion", unit="tokens", aggregation="sum", formula=TOKENS)
    make_meter("disk", "level", unit="GB hours", aggregation="time_weighted", value_property="gb", dimensions=["disk"])
    make_meter("files", "upload", unit="files")
    free = (Tier(Decimal(10), Decimal(0)), Tier(None, Decimal("0.125"), Decimal("0.5")))
    steps = (Tier(Decimal(20), Decimal(0)), Tier(None, Decimal("0.111"), Decimal(1)))
    prices = {"tokens": PerUnit(Decimal("0.000137")), "disk": PerUnit(Decimal("0.0031"))}
    basic = make_plan(
        "basic", fee="29", usage={"calls": Graduated(free), "files": Package(Decimal(3), Decimal(1)), **prices}
    )
    team = make_plan("team", fee="99", usage={"calls": Graduated(steps), "files": Volume(steps), **prices})
    made = subscribe_tenant(plan=basic, as_of=FEBRUARY, country="BE")
    tenant = made.tenant
    run_invoicing(as_of=FEBRUARY)
    calls = use_all(made, FEBRUARY + 3 * DAY)
    change_plan(subscription=made, plan_version=team, when=When.NOW, actor=STAFF, as_of=FEBRUARY + 10 * DAY)
    use_all(made, FEBRUARY + 20 * DAY)
    setup = Item("Setup", Decimal("1.5"), "hours", Decimal("33.33"), date(2026, 2, 9), date(2026, 2, 9))
    add_item(tenant_id=tenant.pk, item=setup, reason="agreed", actor=STAFF, as_of=FEBRUARY + 9 * DAY)
    run_invoicing(as_of=MARCH + GRACE)
    use(tenant, "0.5", at=FEBRUARY + 9 * DAY, as_of=MARCH + 2 * DAY, properties={"status": 200})  # late
    void_event(ledger=ledger_of(tenant), event_id=calls[0], reason="twice", voided_by="staff", as_of=MARCH + 3 * DAY)
    use_all(made, MARCH + 5 * DAY)
    change_plan(subscription=made, plan_version=basic, when=When.NOW, actor=STAFF, as_of=MARCH + 6 * DAY)
    run_invoicing(as_of=APRIL + GRACE)
    return made


TOKENS = 'ceil((input + 4 * output) / 10) * (tier == "gold" && has(input) ? 2 : 1)'


def use_all(subscription: Subscription, at: datetime) -> list[str]:
    """Use each meter, with some that none counts. Return the ids of the calls that count."""
    tenant = subscription.tenant
    calls = use(tenant, "7.25", at=at, count=4, properties={"status": 200, "path": '/ä "quoted"\n'})
    use(tenant, 9, at=at + DAY, properties={"status": 500})
    use(tenant, at=at, count=3, type="completion", properties={"input": 1201, "output": "350", "tier": "gold"})
    use(tenant, at=at + DAY, type="completion", properties={"input": 7, "output": Decimal("0.5")})
    for hours, gb in ((0, 10), (30, "2.5")):
        use(tenant, at=at + timedelta(hours=hours), type="level", properties={"gb": gb, "disk": "a"})
    use(tenant, at=at, count=5, type="upload")
    return calls
