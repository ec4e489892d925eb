"""Usage and money on one page: an invoice's line and its link come to the same sum, and parts sum to the whole."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import unescape
from re import findall

import pytest
from django.test import Client

from accounts.domain.roles import Role
from accounts.models import ApiKey
from billing.domain.prices import Graduated, PerUnit, Tier
from billing.models import Invoice, InvoiceLine, Subscription
from billing.services.subscriptions.changes import When, change_plan
from billing.services.subscriptions.subscribing import subscribe
from metering.services.voids import void_event
from tests.billing.world import GRACE, STAFF, close_month, make_plan, use
from tests.metering.ledger_world import ledger_of, make_key, send
from tests.portal.conftest import NOW, Cast, signed_in
from tests.portal.views.test_pricing import shown

JANUARY = datetime(2025, 12, 31, 23, tzinfo=UTC)  # midnight in Paris, Acme's zone
DAY = timedelta(days=1)


def line_of(invoice: Invoice) -> InvoiceLine:
    return InvoiceLine.objects.get(invoice=invoice, revision=invoice.revision, kind="usage")


def followed(client: Client, invoice: Invoice) -> Decimal:
    """Follow the link of the invoice's line of usage, and return the sum of the page it leads to."""
    page = client.get(f"/t/acme/invoices/{invoice.number}/").content.decode()
    [link] = {unescape(url) for url in findall(r'href="([^"]+period=line[^"]+)"', page)}
    context = client.get(link).context
    line = line_of(invoice)
    assert context["read"].costs.total_minor == line.amount_minor
    assert sum((row.row.total for row in context["windows"]), Decimal(0)) == context["table"].total
    total: Decimal = context["table"].total
    return total


@pytest.mark.parametrize("begins_at", [JANUARY, JANUARY + timedelta(days=14, hours=9, minutes=30)])
def test_a_line_leads_to_the_usage_it_counts_also_after_voids_and_late_events(
    cast: Cast, alice: Client, begins_at: datetime
) -> None:
    subscription = subscribe(tenant=cast.acme, plan_version=make_plan(), actor=STAFF, as_of=begins_at)
    use(cast.acme, at=begins_at - timedelta(hours=1), count=7)  # before the plan: not charged
    ids = use(cast.acme, at=begins_at + 3 * DAY, count=1200)
    close_month(subscription, as_of=begins_at)
    invoice = close_month(subscription)
    assert followed(alice, invoice) == line_of(invoice).quantity == 1200
    closed_at = subscription.period_start
    use(cast.acme, at=begins_at + 4 * DAY, count=300, as_of=closed_at + 2 * DAY)
    void_event(
        ledger=ledger_of(cast.acme), event_id=ids[0], reason="Wrong", voided_by="staff", as_of=closed_at + 2 * DAY
    )

    assert followed(alice, invoice) == line_of(invoice).quantity == 1200
    page = shown(alice.get(f"/t/acme/usage/?period=line&invoice={invoice.number}&line={line_of(invoice).position}"))
    assert "Events of this period came or were voided after" in page
    assert alice.get("/t/acme/usage/?period=last_billing").context["table"].total == 1499


def test_a_line_of_another_tenant_or_for_a_viewer_leads_nowhere(cast: Cast, alice: Client) -> None:
    subscription = subscribe(tenant=cast.acme, plan_version=make_plan(), actor=STAFF, as_of=JANUARY)
    use(cast.acme, at=JANUARY + DAY, count=2)
    invoice = close_month(subscription, as_of=JANUARY + 32 * DAY)
    query = f"usage/?period=line&invoice={invoice.number}&line={line_of(invoice).position}"

    assert alice.get(f"/t/acme/{query}").context["table"].total == 2
    assert signed_in(cast.charlie).get(f"/t/rival/{query}").status_code == 404
    assert "Choose one of the list." in shown(signed_in(cast.vera).get(f"/t/acme/{query}"))
    assert alice.get("/t/acme/usage/?period=line&invoice=X&line=1").status_code == 404


def subscribed(cast: Cast) -> Subscription:
    """Subscribe Acme since March to a plan with 1,000 calls included and 0.01 each above."""
    tiers = Graduated((Tier(Decimal(1000), Decimal(0)), Tier(None, Decimal("0.01"))))
    make_plan("other")  # makes the meter
    plan, march = make_plan(usage={"calls": tiers}), datetime(2026, 2, 28, 23, tzinfo=UTC)
    subscription = subscribe(tenant=cast.acme, plan_version=plan, actor=STAFF, as_of=march)
    close_month(subscription, as_of=march)
    return subscription


def test_cost_by_key_and_day_sums_to_the_invoices_amount(cast: Cast, alice: Client) -> None:
    subscribed(cast)
    keys = [make_key(cast.acme, name=name)[0] for name in ("One", "Two", "Three")]
    _send(cast, keys, counts=(700, 433, 233))

    context = alice.get("/t/acme/usage/?meter=calls&group_by=api_key&show=cost").context

    costs = context["read"].costs
    assert costs.total_minor == 366, "366 calls above the 1,000 included"
    assert sum(part.amount_minor for part in context["parts"]) == 366
    assert [(part.quantity, part.share) for part in context["parts"]] == [
        (700, Decimal("51.2")), (433, Decimal("31.7")), (233, Decimal("17.1"))
    ]  # fmt: skip
    assert sum(window.amount_minor for window in context["windows"]) == 366
    values = [Decimal(value) for series in context["chart"]["series"] for value in series["values"]]
    assert (sum(values), context["chart"]["unit"]) == (Decimal("3.66"), "EUR")
    page = shown(alice.get("/t/acme/usage/?meter=calls&show=running"))
    assert "Your plan includes 1,000 calls a billing period" in page
    running = alice.get("/t/acme/usage/?meter=calls&show=running").context["chart"]
    assert (running["lines"], running["series"][0]["values"][-1]) == ([{"value": "1000", "label": "Included"}], "1366")
    rows = alice.get("/t/acme/usage.csv?meter=calls&show=cost").content.decode().splitlines()
    assert rows[0] == "window_start,quantity,events,amount_minor,currency"
    assert sum(int(row.split(",")[3]) for row in rows[1:]) == 366


def test_two_dimensions_are_shown_at_once_and_compared_with_the_period_before(cast: Cast, alice: Client) -> None:
    for at, paths in ((NOW, ["/a", "/a", "/b"]), (NOW - timedelta(days=30), ["/a"])):
        properties = [{"resource_path": path, "http_method": "GET"} for path in paths]
        events = [
            {"id": f"{at}-{n}", "type": "http_request", "timestamp": at.isoformat(), "properties": one}
            for n, one in enumerate(properties)
        ]
        send(ledger_of(cast.acme), events, as_of=at)

    page = alice.get("/t/acme/usage/?group_by=resource_path&then_by=http_method")

    assert [(part.name, part.quantity, part.before) for part in page.context["parts"]] == [
        ("/a \N{MIDDLE DOT} GET", 2, 1), ("/b \N{MIDDLE DOT} GET", 1, 0)
    ]  # fmt: skip
    assert "200.0 % more than 1\N{EN DASH}10 February 2026" in shown(page)
    first = page.context["windows"][0]
    assert "window=hour" in first.url, "a day leads to its hours"
    assert "start=2026-03-10&end=2026-03-10" in first.url
    assert first.row.total == 3, "the newest is first"
    hours = alice.get(f"/t/acme/usage/{first.url}").context["windows"]
    assert hours[0].url.startswith("/t/acme/events/?type=http_request&start=2026-03-10T12%3A00%3A00Z")


def test_a_change_of_plan_within_a_day_is_priced_by_each_plan(cast: Cast, alice: Client) -> None:
    subscription = subscribed(cast)
    dear = make_plan("dear", fee="99", usage={"calls": PerUnit(Decimal("0.10"))})
    use(cast.acme, at=NOW - timedelta(hours=3), count=1100)
    subscription.refresh_from_db()
    change_plan(
        subscription=subscription, plan_version=dear, when=When.NOW, actor=STAFF, as_of=NOW - timedelta(hours=2),
        expected_version=subscription.version,
    )  # fmt: skip
    use(cast.acme, at=NOW - timedelta(hours=1), count=10)

    context = alice.get("/t/acme/usage/?meter=calls").context

    ahead = alice.get("/t/acme/invoices/next/").context["ahead"].now
    invoiced = sum(line.amount_minor for line in ahead.lines if line.kind == "usage")
    assert context["read"].costs.total_minor == invoiced == 200
    assert context["windows"][0].row.total == 1110


def test_members_without_billing_see_no_cost(cast: Cast) -> None:
    subscribed(cast)
    use(cast.acme, at=NOW - timedelta(hours=1), count=1100)
    page = signed_in(cast.of_role(Role.VIEWER)).get("/t/acme/usage/?meter=calls&show=cost")
    assert page.context["read"].costs is None
    assert "EUR" not in shown(page)


def _send(cast: Cast, keys: list[ApiKey], counts: tuple[int, ...]) -> None:
    for number, (key, count) in enumerate(zip(keys, counts, strict=True)):
        at = NOW - timedelta(days=number)
        events = [{"id": f"{number}-{n}", "type": "http_request", "timestamp": at.isoformat()} for n in range(count)]
        send(ledger_of(cast.acme), events, as_of=NOW, api_key_id=key.pk)


def test_billing_periods_are_bordered_and_closed_in_the_tenants_zone(cast: Cast, alice: Client) -> None:
    anchor = datetime(2026, 1, 14, 23, tzinfo=UTC)
    subscription = subscribe(tenant=cast.acme, plan_version=make_plan(), actor=STAFF, as_of=anchor)
    close_month(subscription, as_of=datetime(2026, 2, 15, tzinfo=UTC) + GRACE)
    use(cast.acme, at=NOW - timedelta(hours=1), count=3)

    context = alice.get("/t/acme/usage/?period=30&meter=calls").context

    assert context["chart"]["borders"] == [{"index": 6, "label": "15 Feb"}]
    assert [window.border for window in context["windows"] if window.border] == ["15 Feb"]
    current = alice.get("/t/acme/usage/?period=billing&meter=calls").context["wanted"]
    assert current.span == (datetime(2026, 2, 14, 23, tzinfo=UTC), datetime(2026, 3, 14, 23, tzinfo=UTC))
    assert current.before == (anchor, current.span.start)
