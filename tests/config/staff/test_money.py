"""Money on the first page of the admin: the selectors' numbers, one currency at a time, for those who may see them."""

import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.notices.models import OutboundMail
from billing.collection.models import InboxEvent, UsagePush
from billing.models import BillingException
from metering.models import Meter
from tests.billing.world import finalized_invoices, first_invoice, make_plan, subscribe_tenant

pytestmark = pytest.mark.django_db

EUR = "\N{NO-BREAK SPACE}EUR"


def test_charts_and_table_show_the_same_numbers(as_pat: Client) -> None:
    plan = make_plan()
    first_invoice(subscribe_tenant("one", plan=plan, as_of=timezone.now()))
    first_invoice(subscribe_tenant("two", plan=plan, as_of=timezone.now()))
    money = as_pat.get(reverse("admin:index")).context["money"]
    assert (money["recurring"], money["this_month"], money["paying"]) == (f"98.00{EUR}", f"98.00{EUR}", 2)
    invoiced, paid = json.loads(money["revenue_chart"])["datasets"]
    assert (invoiced["data"][-1], paid["data"][-1]) == ("98.00", "0.00")
    assert json.loads(money["recurring_chart"])["datasets"][0]["data"][-1] == "98.00"
    newest = money["months"][0]
    assert (newest.invoiced, newest.credited, newest.paid, newest.recurring, newest.subscriptions) == (
        "98.00", "0.00", "0.00", "98.00", 2,
    )  # fmt: skip
    assert len(money["months"]) == 12
    finalized = next(row for row in money["sums"] if row.title == "Finalized")
    assert (finalized.number, finalized.total) == (2, f"98.00{EUR}")


def test_one_currency_is_shown_at_a_time(as_pat: Client) -> None:
    plan = make_plan(fee={"EUR": "49", "JPY": "7000"})
    for slug, currency in (("a", "JPY"), ("b", "JPY"), ("c", "EUR")):
        first_invoice(subscribe_tenant(slug, plan=plan, currency=currency, as_of=timezone.now()))
    page = reverse("admin:index")
    assert as_pat.get(page).context["money"]["recurring"] == "14,000\N{NO-BREAK SPACE}JPY"
    assert as_pat.get(page, {"currency": "EUR"}).context["money"]["recurring"] == f"49.00{EUR}"
    assert as_pat.get(page, {"currency": "XXX"}).context["money"]["currency"] == "JPY"


def test_open_exceptions_are_named_on_the_first_page(as_pat: Client) -> None:
    subscription = subscribe_tenant(as_of=timezone.now() - timedelta(days=40))
    first_invoice(subscription)
    BillingException.objects.create(
        subscription=subscription, code="negative_usage", detail="Below nothing.", occurred_at=timezone.now()
    )
    now = timezone.now()
    OutboundMail.objects.create(
        tenant=subscription.tenant, kind="invoice", dedupe_key="1", recipients=["a@acme.example"], subject="Invoice",
        text="", html="",
        status="failed", created_at=now, next_attempt_at=now,
    )  # fmt: skip
    InboxEvent.objects.create(
        provider="stripe", event_id="evt_1", type="invoice.paid", payload={}, status="failed", received_at=now
    )
    UsagePush.objects.create(
        provider="stripe", tenant=subscription.tenant,
        meter=Meter.objects.get(code="calls"), hour=now, quantity=1, identifier="1", status="rejected",
        created_at=now,
    )  # fmt: skip
    response = as_pat.get(reverse("admin:index"))
    wanted = {
        "Open exceptions",
        "Mails that were not sent",
        "Payment providers' events",
        "Usage that a payment provider rejected",
    }
    found = {concern.title: concern.url for concern in response.context["concerns"]}
    assert wanted <= set(found)
    for title in wanted:
        assert len(as_pat.get(found[title]).context["cl"].result_list) == 1
    overdue = response.context["money"]["overdue"]
    assert (overdue.number, overdue.total) == (1, f"49.00{EUR}")
    rows = as_pat.get(overdue.url).context["cl"].result_list
    assert len(rows) == 1


def test_without_a_customer_there_is_no_money_to_show(as_pat: Client) -> None:
    response = as_pat.get(reverse("admin:index"))
    assert response.status_code == 200
    assert "currency" not in response.context["money"]


def test_the_page_takes_as_many_queries_whatever_the_number_of_customers(as_robin: Client) -> None:
    def reads_of_money() -> int:
        with CaptureQueriesContext(connection) as queries:
            as_robin.get(reverse("admin:index"))
        return sum("billing_" in query["sql"] for query in queries)

    finalized_invoices(1)
    few = reads_of_money()
    plan = make_plan("more")
    for number in range(5):
        first_invoice(subscribe_tenant(f"more-{number}", plan=plan))
    assert reads_of_money() == few


def test_staff_who_may_not_see_invoices_see_no_figures(db: None) -> None:
    group = Group.objects.create(name="Metering only")
    group.permissions.set(Group.objects.get(name="Read-only").permissions.exclude(content_type__app_label="billing"))
    user = User.objects.create_user("meg@example.org", None, is_staff=True)
    user.groups.add(group)
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    response = client.get(reverse("admin:index"))
    assert response.context["money"] is None
    assert client.get(reverse("admin:billing_invoice_changelist")).status_code == 403


def test_each_group_of_staff_has_its_permissions_on_money() -> None:
    def verbs(name: str) -> set[str]:
        found = Group.objects.get(name=name).permissions.filter(content_type__app_label="billing")
        return {codename.split("_")[0] for codename in found.values_list("codename", flat=True)}

    assert verbs("Read-only") == verbs("Support") == {"view"}
    assert verbs("Billing") == {"view", "add", "change", "delete"}
    deleted = Group.objects.get(name="Billing").permissions.filter(
        codename__startswith="delete", content_type__app_label="billing"
    )
    assert list(deleted.values_list("codename", flat=True)) == [
        "delete_pricingquestion",
        "delete_taxrate",
        "delete_taxregistration",
    ]
