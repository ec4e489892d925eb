"""`/invoices` and `/credit-notes`: what one tenant, and no other, sees of its charges, down to the event."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest
from pytest_django.plugin import DjangoDbBlocker
from rest_framework.test import APIClient

from accounts.domain.api_key import KeyKind
from accounts.domain.scopes import Scope
from accounts.models import Tenant
from accounts.notices.models import OutboundMail
from billing.domain.prices import Graduated, Tier
from billing.domain.statuses import InvoiceStatus
from billing.models import DocumentFile, Invoice, Subscription
from billing.services.invoicing.payments import record_payment
from billing.services.invoicing.reissuing import reissue_invoice
from billing.services.invoicing.staff_actions import issue_credit_note, void_invoice
from metering.services.event_voids import void_counted_event
from tests.billing.rendering.services.reading import texts
from tests.billing.world import CALLS, MARCH, STAFF, close_month, first_invoice, make_plan, subscribe_tenant, use
from tests.metering.ledger_world import ledger_of, make_key, make_meter
from tests.shared_world import shared_world

NOW = datetime(2026, 3, 20, 9, tzinfo=UTC)
pytestmark = pytest.mark.django_db


def client_of(tenant: Tenant | None, *scopes: Scope, kind: KeyKind = KeyKind.LIVE) -> APIClient:
    _, secret = make_key(tenant, kind=kind, scopes=list(scopes or (Scope.BILLING_READ,)))
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


@pytest.fixture(scope="module")
def second(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Invoice]:
    yield from shared_world(django_db_blocker, make_second)


@pytest.fixture
def march(second: Invoice) -> Invoice:
    return Invoice.objects.select_related("subscription", "tenant").get(pk=second.pk)


@pytest.fixture
def subscription(march: Invoice) -> Subscription:
    return Subscription.objects.select_related("tenant", "plan_version__plan").get(pk=march.subscription_id)


def make_second() -> Invoice:
    """Issue the second invoice: usage of March and the fee of April."""
    subscription = subscribe_tenant()
    first_invoice(subscription)
    use(subscription.tenant, 1500, at=MARCH + timedelta(days=3), count=3)
    return close_month(subscription)


@pytest.fixture
def client(subscription: Subscription) -> APIClient:
    return client_of(subscription.tenant)


def pay(invoice: Invoice, **changes: Any) -> None:
    told = {"provider": "stripe", "reference": "pi_1", "amount_minor": invoice.total_minor, "currency": "EUR"}
    record_payment(invoice_id=invoice.pk, occurred_at=NOW, as_of=NOW, **(told | changes))


def numbers(answer: Any) -> list[str]:
    return [row["number"] for row in answer.json()["data"]]


def test_issued_invoices_are_listed_the_newest_first_and_drafts_are_not(client: APIClient, march: Invoice) -> None:
    subscription = march.subscription
    subscription.refresh_from_db()
    draft = close_month(subscription, as_of=subscription.period_end)
    assert draft.status == InvoiceStatus.DRAFT
    answer = client.get("/api/v1/invoices")
    assert numbers(answer) == ["INV-2026-000002", "INV-2026-000001"]
    assert answer.json()["data"][0] == {
        "id": str(march.pk),
        "number": "INV-2026-000002",
        "status": "finalized",
        "subscription": str(subscription.pk),
        "currency": "EUR",
        "period": {"start": "2026-03-01T00:00:00Z", "end": "2026-04-01T00:00:00Z"},
        "subtotal_minor": 5350,
        "tax_minor": 0,
        "carried_minor": 0,
        "total_minor": 5350,
        "amount_paid_minor": 0,
        "amount_due_minor": 5350,
        "issued_on": "2026-04-01",
        "due_on": "2026-04-15",
        "finalized_at": "2026-04-01T01:00:00Z",
        "paid_at": None,
        "voided_at": None,
        "void_reason": "",
        "payment_failed_at": None,
        "payment_error": "",
        "credit_note": None,
        "replaces": None,
        "replaced_by": None,
        "merchant_of_record": None,
    }


def test_the_list_is_filtered_by_status_and_paged(client: APIClient, march: Invoice) -> None:
    pay(march)
    assert numbers(client.get("/api/v1/invoices?status=paid")) == [march.number]
    assert numbers(client.get("/api/v1/invoices?status=void")) == []
    first = client.get("/api/v1/invoices?limit=1")
    second = client.get(first.json()["next"])
    assert numbers(first) + numbers(second) == ["INV-2026-000002", "INV-2026-000001"]
    assert second.json()["next"] is None
    for status in ("draft", "x", "PAID"):
        answer = client.get(f"/api/v1/invoices?status={status}")
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "invalid_status")


def test_an_invoice_is_shown_with_its_lines_taxes_and_payments(client: APIClient, march: Invoice) -> None:
    pay(march, reference="pi_0", amount_minor=1)
    pay(march)
    body = client.get(f"/api/v1/invoices/{march.number}").json()
    usage, fee = body["lines"]
    assert usage == {
        "position": 1,
        "kind": "usage",
        "description": "Pro: calls",
        "period": {"start": "2026-03-01T00:00:00Z", "end": "2026-04-01T00:00:00Z"},
        "meter": "calls",
        "quantity": "4500",
        "unit": "calls",
        "events": 3,
        "amount_minor": 450,
        "corrects": None,
        "explanation": {
            "model": "per_unit",
            "quantity": "4500",
            "steps": [{"quantity": "4500", "unit_amount": "0.001", "flat_amount": "0", "amount": "4.5"}],
            "exact_amount": "4.5",
            "rounding": {"mode": "half_up", "digits": 2},
        },
        "supplied_on": "2026-03-31",
        "tax": {
            "category": "O",
            "rate": "0",
            "reason": "Not subject to tax in the country of the seller.",
            "name": "Tax",
            "jurisdiction": "US",
        },
    }
    assert fee["supplied_on"] == "2026-04-01"
    assert (fee["kind"], fee["amount_minor"], fee["meter"], fee["events"]) == ("recurring", 4900, None, None)
    assert body["taxes"] == [
        {
            "name": "Tax",
            "percent": "0",
            "treatment": "standard",
            "note": "Not subject to tax in the country of the seller.",
            "category": "O",
            "jurisdiction": "US",
            "base_minor": 5350,
            "amount_minor": 0,
            "issuer_currency_amount_minor": None,
        }
    ]
    assert {(payment["status"], payment["amount_minor"], payment["pays_minor"]) for payment in body["payments"]} == {
        ("succeeded", 5350, 5349),
        ("succeeded", 1, 1),
    }
    assert (body["amount_paid_minor"], body["amount_due_minor"]) == (5350, 0)
    assert "pi_1" not in str(body)
    assert (body["status"], body["paid_at"]) == ("paid", "2026-03-20T09:00:00Z")


def test_a_correction_names_what_it_corrects(client: APIClient, march: Invoice) -> None:
    use(march.tenant, 1000, at=MARCH + timedelta(days=5), as_of=MARCH + timedelta(days=40))
    april = close_month(march.subscription)
    lines = client.get(f"/api/v1/invoices/{april.number}").json()["lines"]
    [corrected] = [line for line in lines if line["kind"] == "adjustment"]
    assert (corrected["corrects"], corrected["quantity"], corrected["events"]) == (march.number, "1000", 1)
    behind = client.get(f"/api/v1/invoices/{april.number}/lines/{corrected['position']}/events").json()
    assert len(behind["data"]) == 4


@pytest.mark.parametrize("number", ["INV-2026-000099", "x" * 300, "%E2%82%AC", "INV-2026-000001%20"])
@pytest.mark.parametrize("rest", ["", "/pdf", "/lines/1/events"])
def test_an_impossible_invoice_number_is_not_found(client: APIClient, march: Invoice, number: str, rest: str) -> None:
    assert client.get(f"/api/v1/invoices/{number}{rest}").status_code == 404


def test_the_pdf_is_the_stored_one_and_never_changes(client: APIClient, march: Invoice) -> None:
    answer = client.get(f"/api/v1/invoices/{march.number}/pdf")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/pdf")
    assert answer["ETag"] == f'"{sha256(answer.content).hexdigest()}"'
    assert "immutable" in answer["Cache-Control"]
    assert "private" in answer["Cache-Control"]
    assert f'filename="{march.number}.pdf"' in answer["Content-Disposition"]
    assert "4,500 calls" in texts(answer.content)[0]
    assert DocumentFile.objects.get(pk=march.number).file.sha256 == sha256(answer.content).hexdigest()
    assert OutboundMail.objects.filter(attachment_name=f"{march.number}.pdf").count() == 1

    again = client.get(f"/api/v1/invoices/{march.number}/pdf", HTTP_ACCEPT="application/pdf")
    assert again.content == answer.content
    for known in (answer["ETag"], f'"other", W/{answer["ETag"]}', "*"):
        kept = client.get(f"/api/v1/invoices/{march.number}/pdf", HTTP_IF_NONE_MATCH=known)
        assert (kept.status_code, kept.content, kept["ETag"]) == (304, b"", answer["ETag"])


def test_a_line_shows_the_events_it_was_computed_from_and_no_others(client: APIClient, march: Invoice) -> None:
    tenant = march.tenant
    use(tenant, 7, at=MARCH + timedelta(days=4), as_of=MARCH + timedelta(days=40))  # came after the invoice
    use(tenant, 9, at=MARCH + timedelta(days=32), as_of=MARCH + timedelta(days=33))  # another period
    first = client.get(f"/api/v1/invoices/{march.number}/lines/1/events?limit=2")
    assert first.status_code == 200
    second = client.get(first.json()["next"])
    events = first.json()["data"] + second.json()["data"]
    assert [event["quantity"] for event in events] == ["1500"] * 3
    assert sum(Decimal(event["quantity"]) for event in events) == Decimal(4500)
    assert [event["timestamp"] for event in events] == sorted((e["timestamp"] for e in events), reverse=True)
    assert second.json()["next"] is None


def test_an_event_that_is_voided_later_was_still_counted_and_one_that_was_voided_before_was_not() -> None:
    subscription = subscribe_tenant("globex")
    first_invoice(subscription)
    early, late = use(subscription.tenant, 1000, at=MARCH + timedelta(days=3), count=2)
    void(subscription.tenant, early, at=MARCH + timedelta(days=10))
    invoice = close_month(subscription)
    void(subscription.tenant, late, at=MARCH + timedelta(days=40))
    client = client_of(subscription.tenant)
    [event] = client.get(f"/api/v1/invoices/{invoice.number}/lines/1/events").json()["data"]
    assert event["id"] == late
    assert event["void"]["reason"] == "wrong"


def void(tenant: Tenant, event_id: str, *, at: datetime) -> None:
    void_counted_event(ledger=ledger_of(tenant), event_id=event_id, reason="wrong", voided_by="test", as_of=at)


def test_a_line_lists_only_events_that_pass_the_filters_of_its_meter() -> None:
    make_meter("gets", CALLS, filters={"method": ["GET"]}, unit="requests")
    usage = {"gets": Graduated((Tier(None, Decimal("0.5")),))}
    subscription = subscribe_tenant("globex", plan=make_plan("gets", usage=usage))
    first_invoice(subscription)
    for method in ("GET", "POST"):
        use(subscription.tenant, at=MARCH + timedelta(days=1), properties={"method": method})
    invoice = close_month(subscription)
    [event] = client_of(subscription.tenant).get(f"/api/v1/invoices/{invoice.number}/lines/1/events").json()["data"]
    assert event["properties"] == {"method": "GET"}


def test_a_fee_and_an_unknown_line_have_no_events(client: APIClient, march: Invoice) -> None:
    for position in (0, 2, 3, 10**30):
        assert client.get(f"/api/v1/invoices/{march.number}/lines/{position}/events").status_code == 404
    answer = client.get(f"/api/v1/invoices/{march.number}/lines/1/events?cursor=nonsense")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "invalid_cursor")


def test_credit_notes_are_listed_with_what_they_take_back(client: APIClient, march: Invoice) -> None:
    note = issue_credit_note(invoice_id=march.pk, reason="out of order", actor=STAFF, as_of=NOW)
    assert client.get("/api/v1/credit-notes").json() == {
        "data": [
            {
                "number": "CN-2026-000001",
                "invoice": march.number,
                "is_whole": True,
                "goes_to": None,
                "currency": "EUR",
                "subtotal_minor": 5350,
                "tax_minor": 0,
                "carried_minor": 0,
                "total_minor": 5350,
                "reason": "out of order",
                "issued_on": "2026-03-20",
                "issued_at": "2026-03-20T09:00:00Z",
            }
        ],
        "next": None,
        "previous": None,
    }
    body = client.get(f"/api/v1/invoices/{march.number}").json()
    assert (body["status"], body["credit_note"], body["void_reason"]) == (
        "void",
        note.number,
        f"Credited by {note.number}",
    )


def test_an_invoice_that_was_issued_again_and_its_replacement_name_each_other(march: Invoice) -> None:
    again = reissue_invoice(invoice_id=march.pk, reason="The address was wrong.", actor=STAFF, as_of=NOW)
    client = client_of(march.tenant)
    told = {
        one["number"]: (one["replaces"], one["replaced_by"]) for one in client.get("/api/v1/invoices").json()["data"]
    }
    assert (told[march.number], told[again.number]) == ((None, again.number), (march.number, None))


def test_other_tenants_and_keys_without_the_scope_see_nothing(march: Invoice) -> None:
    rival = subscribe_tenant("rival", plan=march.subscription.plan_version).tenant
    issue_credit_note(invoice_id=march.pk, reason="x", actor=STAFF, as_of=NOW)
    stranger, weak = client_of(rival), client_of(march.tenant, Scope.USAGE_READ)
    for path in ("", "/pdf", "/lines/1/events"):
        assert stranger.get(f"/api/v1/invoices/{march.number}{path}").status_code == 404
        assert weak.get(f"/api/v1/invoices/{march.number}{path}").status_code == 403
    for path in ("/api/v1/invoices", "/api/v1/credit-notes"):
        assert stranger.get(path).json()["data"] == []
        assert weak.get(path).status_code == 403
    assert not DocumentFile.objects.exists()


def test_a_service_key_names_the_tenant(march: Invoice) -> None:
    service = client_of(None, Scope.BILLING_READ, kind=KeyKind.SERVICE)
    assert service.get("/api/v1/invoices").status_code == 422
    assert numbers(service.get("/api/v1/invoices?tenant=acme"))[0] == march.number


def test_a_void_invoice_says_why(client: APIClient, march: Invoice) -> None:
    void_invoice(invoice_id=march.pk, reason="wrong customer", actor=STAFF, as_of=NOW)
    body = client.get(f"/api/v1/invoices/{march.number}").json()
    assert (body["status"], body["void_reason"], body["voided_at"]) == (
        "void",
        "wrong customer",
        "2026-03-20T09:00:00Z",
    )


def test_a_list_of_invoices_takes_as_many_queries_however_long_it_is(
    client: APIClient, march: Invoice, django_assert_max_num_queries: Any
) -> None:
    close_month(march.subscription)
    with django_assert_max_num_queries(6):
        assert len(numbers(client.get("/api/v1/invoices"))) == 3


def test_a_nul_in_the_path_of_an_invoice_is_refused(client: APIClient, march: Invoice) -> None:
    for path in ("%00", "a%00b/pdf", "%00/lines/1/events"):
        assert client.get(f"/api/v1/invoices/{path}").status_code == 400
