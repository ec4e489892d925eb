"""Events that came while an invoice was computed: the evidence has those that the line counts, and no others."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from billing.models import Invoice, Subscription
from billing.services.invoicing import finalizing
from tests.billing.evidence.evidence_world import bundle_of, march
from tests.billing.world import close_month, first_invoice, subscribe_tenant, use

pytestmark = pytest.mark.django_db
COMPUTED_AT = datetime(2026, 4, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
def subscription() -> Subscription:
    made = subscribe_tenant()
    first_invoice(made)
    use(made.tenant, 10, at=march(3), count=2)
    return made


def late(subscription: Subscription, quantity: int, came: timedelta) -> None:
    """Report usage of March at a moment around the computation."""
    use(subscription.tenant, quantity, at=march(9), as_of=COMPUTED_AT + came)


def close_while(monkeypatch: pytest.MonkeyPatch, subscription: Subscription, *came: timedelta) -> Invoice:
    """Close March, and have usage come after its moment and before usage is read."""
    original = finalizing.compute_invoices

    def compute(*arguments: object, **named: object) -> object:
        while waiting:
            late(subscription, 5, waiting.pop(0))
        return original(*arguments, **named)  # type: ignore[arg-type]  # passed on

    waiting = list(came)
    monkeypatch.setattr(finalizing, "compute_invoices", compute)
    return close_month(subscription, as_of=COMPUTED_AT)


def quantities(invoice: Invoice) -> tuple[list[str], str]:
    """Return the quantities of the events in the evidence, and until when they were received."""
    bundle = bundle_of(invoice)
    events = [json.loads(event["content"]) for event in bundle["events"]]
    return sorted(event[6] for event in events), bundle["head"]["lines"][0]["known"]


def test_what_came_before_usage_was_read_is_there_and_what_came_after_is_not(
    subscription: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = close_while(monkeypatch, subscription, 3 * SECOND, 2 * SECOND)
    late(subscription, 6, 30 * SECOND)
    assert [line.events for line in invoice.lines.filter(revision=invoice.revision, meter__isnull=False)] == [4]
    found, known = quantities(invoice)
    assert found == ["10", "10", "5", "5"]
    assert known == "2026-04-01T01:00:03.000001Z"


def test_what_began_before_the_moment_and_was_stored_after_usage_was_read_is_left_out(
    subscription: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = close_while(monkeypatch, subscription)
    late(subscription, 6, -2 * SECOND)
    found, known = quantities(invoice)
    assert found == ["10", "10"]
    assert known == "2026-04-01T00:59:58Z"


def test_if_no_moment_explains_the_number_it_is_left_to_the_verifier(
    subscription: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = close_while(monkeypatch, subscription)
    late(subscription, 6, -20 * timedelta(minutes=1))  # stored long after its time of receipt
    assert quantities(invoice) == (["10", "10", "6"], "2026-04-01T01:00:00Z")
