"""Cases open and close with what is owed, in the transaction that changes it."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts.models import AuditEntry, Tenant
from accounts.services.tenants import reactivate_tenant, suspend_tenant
from billing.dunning.models import DunningCase, DunningSchedule, DunningStep, PlanDunning
from billing.dunning.services.running import run_due_steps
from billing.models import BillingProfile
from billing.services.invoicing.allocating import take_back_allocation
from billing.services.invoicing.payments import record_failed_payment
from billing.services.invoicing.staff_actions import void_invoice
from billing.services.subscriptions.changes import When, cancel_subscription
from billing.services.subscriptions.standing import refresh_overdue
from tests.billing.dunning.scripted.provider import ScriptedProvider
from tests.billing.dunning.unpaid import (
    DAY,
    FAILED_AT,
    OVERDUE_AT,
    case_of,
    declined,
    overdue,
    pay,
    run_until,
    set_schedule,
    steps_of,
    subjects,
    subscription_of,
)
from tests.billing.world import STAFF, close_month, first_invoice, subscribe_tenant

pytestmark = pytest.mark.django_db


def test_an_overdue_invoice_has_one_case_however_often_the_standing_is_refreshed() -> None:
    invoice = overdue()
    refresh_overdue(as_of=OVERDUE_AT + timedelta(hours=1))
    [case] = DunningCase.objects.all()
    assert (case.invoice_id, case.kind, case.status, case.stage) == (invoice.pk, "transfer", "open", "past_due")
    assert [kind for kind, _, _ in steps_of(invoice)] == ["reminder"] * 3 + ["suspend", "warning", "cancel"]
    assert AuditEntry.objects.filter(action="dunning.opened").count() == 1


def test_a_payment_in_time_is_never_followed_up_and_a_late_one_before_the_first_mail_gets_no_thanks() -> None:
    invoice = first_invoice(subscribe_tenant())
    refresh_overdue(as_of=OVERDUE_AT - DAY)
    assert not DunningCase.objects.exists()
    refresh_overdue(as_of=OVERDUE_AT)
    pay(invoice, OVERDUE_AT + timedelta(minutes=5))
    assert case_of(invoice).status == "recovered"
    run_until(OVERDUE_AT + 40 * DAY, since=OVERDUE_AT)
    assert subjects() == []


def test_a_mistyped_card_on_the_payment_page_opens_no_case_before_the_due_date() -> None:
    invoice = first_invoice(subscribe_tenant())
    record_failed_payment(
        invoice_id=invoice.pk, provider="second", reference="typo", amount_minor=4900, currency="EUR",
        error="Wrong number.", occurred_at=FAILED_AT, as_of=FAILED_AT,
    )  # fmt: skip
    assert not DunningCase.objects.exists()
    refresh_overdue(as_of=OVERDUE_AT)
    assert DunningCase.objects.get().kind == "transfer"


def test_an_invoice_of_a_merchant_of_record_is_followed_up_by_the_merchant() -> None:
    subscription = subscribe_tenant()
    BillingProfile.objects.update_or_create(
        tenant=subscription.tenant, defaults={"merchant_of_record": "Paddle.com Market Limited"}
    )
    first_invoice(subscription)
    refresh_overdue(as_of=OVERDUE_AT)
    assert not DunningCase.objects.exists()


def test_money_that_is_taken_back_opens_another_case() -> None:
    invoice = overdue()
    pay(invoice, OVERDUE_AT + DAY)
    payment = invoice.payments.get()
    take_back_allocation(
        payment_id=payment.pk, invoice_id=invoice.pk, reason="another's", actor=STAFF, as_of=OVERDUE_AT + 2 * DAY
    )
    assert list(DunningCase.objects.order_by("pk").values_list("status", flat=True)) == ["recovered", "open"]


def test_a_void_invoice_closes_its_case_and_restores_the_service(provider: ScriptedProvider) -> None:
    invoice = declined(provider)
    run_until(FAILED_AT + 14 * DAY)
    assert Tenant.objects.get().status == "suspended"
    void_invoice(invoice_id=invoice.pk, reason="a mistake", actor=STAFF, as_of=FAILED_AT + 15 * DAY)
    assert case_of(invoice).status == "closed"
    assert Tenant.objects.get().status == "active"
    assert [status for _, status, _ in steps_of(invoice)][-2:] == ["skipped", "skipped"]


def test_another_unpaid_invoice_keeps_the_service_suspended_until_it_is_paid_too(provider: ScriptedProvider) -> None:
    set_schedule(suspend_on_day=1, cancel_on_day=None, warn_before_days=None)
    first = declined(provider)
    second = close_month(subscription_of(first))
    later = datetime(2026, 4, 16, 1, tzinfo=UTC)
    refresh_overdue(as_of=later)
    run_until(later + 3 * DAY, since=later)
    assert {case.stage for case in DunningCase.objects.all()} == {"suspended"}

    pay(first, later + 4 * DAY)
    assert Tenant.objects.get().status == "suspended"
    pay(second, later + 4 * DAY, "bank 2")
    assert Tenant.objects.get().status == "active"


def test_a_tenant_that_staff_suspended_is_not_reactivated_by_a_payment(provider: ScriptedProvider) -> None:
    invoice = declined(provider)
    tenant = Tenant.objects.get()
    suspend_tenant(tenant=tenant, reason="Abuse.", actor=STAFF, as_of=FAILED_AT)
    run_until(FAILED_AT + 14 * DAY)
    assert case_of(invoice).has_suspended is False
    pay(invoice, FAILED_AT + 15 * DAY)
    assert Tenant.objects.get().status_reason == "Abuse."

    other = declined(provider, "globex", plan=subscription_of(invoice).plan_version)
    run_until(FAILED_AT + 14 * DAY)
    theirs = Tenant.objects.get(slug="globex")
    reactivate_tenant(tenant=theirs, actor=STAFF, as_of=FAILED_AT + 15 * DAY)
    suspend_tenant(tenant=theirs, reason="Abuse.", actor=STAFF, as_of=FAILED_AT + 15 * DAY)
    pay(other, FAILED_AT + 16 * DAY, "bank 2")
    assert Tenant.objects.get(slug="globex").status == "suspended"


def test_a_plan_follows_its_own_schedule_and_what_each_state_may_do_is_a_setting(provider: ScriptedProvider) -> None:
    lenient = DunningSchedule.objects.create(
        name="Lenient",
        retry_days=[2],
        reminder_days=[5],
        suspend_on_day=3,
        suspended_may_use=True,
        created_at=FAILED_AT,
    )
    subscription = subscribe_tenant("globex")
    PlanDunning.objects.create(plan=subscription.plan_version.plan, schedule=lenient)
    invoice = declined(provider, plan=subscription.plan_version)
    assert [kind for kind, _, _ in steps_of(invoice)] == ["notice", "retry", "suspend"]
    run_until(FAILED_AT + 3 * DAY)
    assert (case_of(invoice).stage, case_of(invoice).status) == ("suspended", "exhausted")
    assert Tenant.objects.get(slug="acme").status == "active"

    DunningSchedule.objects.filter(pk=lenient.pk).update(past_due_may_use=False)
    strict = declined(provider, "initech", plan=subscription.plan_version)
    assert Tenant.objects.get(slug="initech").status == "suspended"
    pay(strict, FAILED_AT + DAY, "bank 2")
    assert Tenant.objects.get(slug="initech").status == "active"


def test_the_last_invoice_of_an_ended_subscription_is_followed_up_without_an_end(provider: ScriptedProvider) -> None:
    subscription = subscribe_tenant()
    invoice = first_invoice(subscription)
    cancel_subscription(
        subscription=subscription_of(invoice), when=When.NOW, actor=STAFF, as_of=FAILED_AT + timedelta(hours=1)
    )
    refresh_overdue(as_of=OVERDUE_AT)
    assert [kind for kind, _, _ in steps_of(invoice)] == ["reminder"] * 3
    run_until(OVERDUE_AT + 15 * DAY, since=OVERDUE_AT)
    assert case_of(invoice).status == "exhausted"
    assert run_due_steps(as_of=OVERDUE_AT + 60 * DAY).done == 0
    pay(invoice, OVERDUE_AT + 60 * DAY)
    assert case_of(invoice).status == "recovered"


def test_an_invoice_overdue_for_a_year_at_an_upgrade_begins_at_day_1_with_mails_before_anything_ends() -> None:
    invoice = first_invoice(subscribe_tenant())
    upgraded_at = OVERDUE_AT + 400 * DAY  # the first refresh that knows dunning
    refresh_overdue(as_of=upgraded_at)
    assert Tenant.objects.get().status == "active"

    run_until(upgraded_at + 12 * DAY, since=upgraded_at)

    assert [kind for kind, status, _ in steps_of(invoice) if status == "done"] == ["reminder"] * 2
    assert Tenant.objects.get().status == "active"
    assert subscription_of(invoice).status == "past_due"
    due = dict(case_of(invoice).steps.values_list("kind", "due_at"))
    first = upgraded_at.date()
    assert [due[kind].date() - first for kind in ("suspend", "warning", "cancel")] == [DAY * 13, DAY * 26, DAY * 29]
    assert len(subjects()) == 2


@pytest.mark.as_owner
def test_a_charge_that_failed_long_before_an_upgrade_begins_with_a_notice_and_four_charges(
    provider: ScriptedProvider,
) -> None:
    invoice = declined(provider)
    DunningStep.objects.all().delete()
    DunningCase.objects.all().delete()
    upgraded_at = FAILED_AT + 100 * DAY
    refresh_overdue(as_of=upgraded_at)

    run_until(upgraded_at + 8 * DAY, since=upgraded_at)

    assert [kind for kind, status, _ in steps_of(invoice) if status == "done"] == ["notice", *["retry"] * 4]
    assert Tenant.objects.get().status == "active"
