"""Steps run once, on their days, whatever crashes, and a payment ends them at once."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from accounts.models import Tenant
from accounts.notices.models import OutboundMail
from billing.collection.domain.provider import ReportedPayment
from billing.collection.errors import PaymentRefusedError
from billing.collection.services.charging import charge_again
from billing.dunning.models import DunningCase, DunningStep
from billing.dunning.selectors.cases import due_steps
from billing.dunning.services import running
from billing.dunning.services.running import run_due_steps, run_dunning, run_step
from billing.models import BillingProfile, Payment
from billing.services.invoicing.payments import Declined
from billing.services.invoicing.staff_actions import mark_uncollectible
from tests.billing.collection.second.provider import CARD
from tests.billing.dunning.scripted.provider import NO_FUNDS, ScriptedProvider
from tests.billing.dunning.unpaid import (
    AWAY,
    DAY,
    FAILED_AT,
    OVERDUE_AT,
    PAID,
    STOLEN,
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
from tests.billing.world import STAFF, first_invoice, subscribe_tenant
from tests.races import at_once

pytestmark = pytest.mark.django_db


def test_a_card_that_stays_declined_is_charged_four_times_then_suspended_and_cancelled(
    provider: ScriptedProvider,
) -> None:
    invoice = declined(provider)

    run_until(FAILED_AT + 31 * DAY)

    number = invoice.number
    assert len(provider.attempts) == 4
    assert [(kind, str(day)) for kind, status, day in steps_of(invoice) if status == "done"] == [
        ("notice", "2026-03-01"),
        ("retry", "2026-03-02"),
        ("retry", "2026-03-04"),
        ("retry", "2026-03-06"),
        ("retry", "2026-03-08"),
        ("suspend", "2026-03-15"),
        ("warning", "2026-03-28"),
        ("cancel", "2026-03-31"),
    ]
    assert subjects() == [
        f"The payment of {number} failed",
        *[f"The payment of {number} failed again"] * 4,
        "Your service is suspended",
        "Pro ends on 31 March 2026",
        "Pro has ended",
    ]
    case = case_of(invoice)
    assert (case.status, case.stage) == ("exhausted", "cancelled")
    assert subscription_of(invoice).status == "cancelled"
    assert Tenant.objects.get().status == "suspended"
    mails = OutboundMail.objects.filter(kind="dunning").order_by("pk")
    assert "charged again on 2 March 2026" in mails[0].text
    assert "charged again on 4 March 2026" in mails[1].text
    assert "/pay/" in mails[0].text
    assert mails[0].recipients == ["bills@acme.example"]


def test_a_retry_that_succeeds_pays_the_invoice_ends_the_case_and_says_thanks(provider: ScriptedProvider) -> None:
    invoice = declined(provider)
    provider.script = [NO_FUNDS, PAID]

    run_until(FAILED_AT + 4 * DAY)

    invoice.refresh_from_db()
    assert invoice.status == "paid"
    assert subscription_of(invoice).status == "active"
    assert case_of(invoice).status == "recovered"
    assert [status for _, status, _ in steps_of(invoice)] == ["done"] * 3 + ["skipped"] * 5 + ["done"]
    assert subjects()[-1] == f"Thank you: {invoice.number} is paid"
    assert [payment.reference for payment in Payment.objects.filter(status="succeeded")] == ["charge-2"]
    assert due_steps(as_of=FAILED_AT + 90 * DAY, limit=10) == []


def test_a_payment_restores_a_suspended_service_at_once(provider: ScriptedProvider) -> None:
    invoice = declined(provider)
    run_until(FAILED_AT + 15 * DAY)
    tenant = Tenant.objects.get()
    assert (tenant.status, tenant.status_reason) == ("suspended", f"Unpaid invoice {invoice.number}.")

    pay(invoice, FAILED_AT + 16 * DAY)

    assert Tenant.objects.get().status == "active"
    run_due_steps(as_of=FAILED_AT + 16 * DAY)
    assert "Your service works again." in OutboundMail.objects.filter(kind="dunning").latest("pk").text


def test_a_card_that_its_bank_refused_for_good_is_not_charged_again_until_there_is_another(
    provider: ScriptedProvider,
) -> None:
    invoice = declined(provider)
    provider.script = [STOLEN]
    run_until(FAILED_AT + 4 * DAY)

    assert len(provider.calls) == 1
    assert case_of(invoice).declined_card == CARD
    outcomes = list(case_of(invoice).steps.filter(kind="retry", status="done").values_list("outcome", flat=True))
    assert outcomes[0].startswith("Declined: Stolen.")
    assert outcomes[1].startswith("Not charged: the bank refused this card for good.")
    assert "pay with another one" in OutboundMail.objects.filter(kind="dunning").latest("pk").text

    invoice.tenant.billing_profile.card_label = "Visa ending in 4242"
    invoice.tenant.billing_profile.save()
    provider.script = [PAID]
    run_until(FAILED_AT + 6 * DAY, since=FAILED_AT + 4 * DAY)
    invoice.refresh_from_db()
    assert (invoice.status, len(provider.calls)) == ("paid", 2)


def test_a_card_that_is_refused_for_good_at_the_first_attempt_is_not_charged_again(provider: ScriptedProvider) -> None:
    invoice = declined(provider, error=Declined("Stolen.", "stolen_card", is_final=True))
    run_until(FAILED_AT + 4 * DAY)
    assert provider.calls == []
    assert case_of(invoice).declined_card == CARD


def test_a_provider_without_an_answer_is_asked_again_under_the_same_name(provider: ScriptedProvider) -> None:
    invoice = declined(provider)
    run_due_steps(as_of=FAILED_AT)
    provider.script = [AWAY, AWAY, NO_FUNDS]
    at = FAILED_AT + DAY

    ran = [run_due_steps(as_of=at + wait) for wait in (timedelta(), timedelta(minutes=20), timedelta(hours=2))]

    assert [(one.done, len(one.later)) for one in ran] == [(0, 1), (0, 1), (1, 0)]
    assert len(set(provider.calls)) == 1
    assert [kind for kind, status, _ in steps_of(invoice) if status == "done"] == ["notice", "retry"]
    assert run_dunning(started_by="test", as_of=at + timedelta(hours=2)).outcome == "succeeded"


def test_a_provider_that_refuses_to_charge_is_told_to_the_customer_as_unpaid(provider: ScriptedProvider) -> None:
    invoice = declined(provider)
    provider.script = [PaymentRefusedError("It presents claims by itself.")]
    run_until(FAILED_AT + DAY)
    step = case_of(invoice).steps.get(position=2)
    assert (step.status, step.outcome) == ("done", "Not charged: It presents claims by itself. Mailed to 1 recipient.")


class KilledError(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("moment", ["before the call", "after the call", "after the record"])
@pytest.mark.parametrize("is_paid", [True, False])
def test_a_step_that_died_anywhere_charges_and_mails_once(
    provider: ScriptedProvider, moment: str, *, is_paid: bool
) -> None:
    invoice = declined(provider)
    run_due_steps(as_of=FAILED_AT)
    provider.script = [PAID if is_paid else NO_FUNDS]
    at = FAILED_AT + DAY

    def die(*, invoice_id: UUID, attempt: str, as_of: datetime) -> ReportedPayment:
        if moment == "after the call":
            provider.charge_again("claim", attempt=attempt)
        if moment == "after the record":
            charge_again(invoice_id=invoice_id, attempt=attempt, as_of=as_of)
        raise KilledError

    with pytest.raises(KilledError):
        run_due_steps(as_of=at, charge=die)
    assert run_due_steps(as_of=at + timedelta(minutes=1)).done == 0  # it may still be running
    for minutes in (16, 17, 33):
        run_due_steps(as_of=at + timedelta(minutes=minutes))

    invoice.refresh_from_db()
    assert invoice.status == ("paid" if is_paid else "finalized")
    assert len(provider.attempts) == 1
    assert Payment.objects.filter(reference="charge-1").count() == 1
    assert case_of(invoice).steps.get(position=2).status == "done"
    assert len(subjects()) == 2  # and the notice; then thanks, or that it failed again


def test_a_step_that_died_while_it_mailed_has_done_nothing_and_runs_again(
    provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = declined(provider)

    def die(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as killed:
        killed.setattr(running, "record", die)
        with pytest.raises(KilledError):
            run_due_steps(as_of=FAILED_AT)
    assert subjects() == []

    assert [run_due_steps(as_of=FAILED_AT).done for _ in range(3)] == [1, 0, 0]
    assert subjects() == [f"The payment of {invoice.number} failed"]


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_charge_and_mail_once(provider: ScriptedProvider) -> None:
    invoice = declined(provider)
    for at in (FAILED_AT, FAILED_AT + DAY):
        at_once(*[lambda at=at: run_due_steps(as_of=at)] * 4)

    assert len(provider.calls) == 1
    assert OutboundMail.objects.filter(kind="dunning").count() == 2
    assert DunningStep.objects.filter(case__invoice=invoice, status="done").count() == 2


@pytest.mark.django_db(transaction=True)
def test_control_without_the_claim_several_workers_call_the_provider(
    provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    declined(provider)
    run_due_steps(as_of=FAILED_AT)
    [step_id] = due_steps(as_of=FAILED_AT + DAY, limit=1)
    step = DunningStep.objects.select_related("case").get(pk=step_id)
    monkeypatch.setattr(running, "_end_charge", lambda *_: None)

    at_once(*[lambda: running._charge(step, charge_again, FAILED_AT + DAY)] * 3)

    assert len(provider.calls) > 1


def test_a_transfer_is_reminded_suspended_and_cancelled_in_its_language() -> None:
    set_schedule(suspend_on_day=9, cancel_on_day=15, reminder_days=[1, 4, 7])
    invoice = overdue()
    BillingProfile.objects.update_or_create(tenant=invoice.tenant, defaults={"language": "de"})

    run_until(OVERDUE_AT + 31 * DAY, since=OVERDUE_AT)

    assert subjects() == [
        f"{invoice.number} ist überfällig",
        f"{invoice.number} ist überfällig",
        f"{invoice.number} ist überfällig",
        "Ihr Dienst ist gesperrt",
        "Pro endet am 30. März 2026",
        "Pro ist beendet",
    ]
    first = OutboundMail.objects.filter(kind="dunning").earliest("pk")
    assert "49,00\N{NO-BREAK SPACE}EUR" in first.text
    assert '<div lang="de">' in first.html


def test_after_an_outage_the_steps_come_one_by_one_and_keep_their_distances(provider: ScriptedProvider) -> None:
    invoice = declined(provider)
    run_due_steps(as_of=FAILED_AT)
    back = FAILED_AT + 20 * DAY

    run_until(back + DAY, since=back)

    assert len(provider.calls) == 1
    assert case_of(invoice).stage == "past_due"
    run_until(back + 14 * DAY, since=back + DAY)
    assert case_of(invoice).stage == "suspended"
    assert str(case_of(invoice).steps.get(kind="cancel").due_at.date()) == "2026-04-19"


def test_a_written_off_invoice_ends_the_case_and_leaves_the_service_to_staff(provider: ScriptedProvider) -> None:
    invoice = declined(provider)
    run_until(FAILED_AT + 14 * DAY)
    mark_uncollectible(invoice_id=invoice.pk, reason="gone", actor=STAFF, as_of=FAILED_AT + 15 * DAY)
    assert case_of(invoice).status == "closed"
    assert Tenant.objects.get().status == "suspended"
    assert run_due_steps(as_of=FAILED_AT + 90 * DAY).done == 0


def test_a_step_of_another_moment_is_not_run(provider: ScriptedProvider) -> None:
    invoice = declined(provider)
    step = DunningCase.objects.get().steps.get(position=2)
    assert run_step(step_id=step.pk, as_of=FAILED_AT) is False
    assert [status for _, status, _ in steps_of(invoice)] == ["planned"] * 8
    assert first_invoice(subscribe_tenant("globex", plan=subscription_of(invoice).plan_version)).status == "finalized"
