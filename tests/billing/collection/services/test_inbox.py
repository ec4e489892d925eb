"""The inbox: each event is processed once, deferred when it is blocked, and processed again when staff request it."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F
from pytest_django import Settings

from accounts.errors import ConflictError, NotFoundError
from accounts.models import AuditEntry, Circuit, JobRun
from billing.collection import tasks
from billing.collection.models import InboxEvent, InboxStatus, ProviderCustomer
from billing.collection.services import inbox as stripe_inbox
from billing.collection.services.inbox import ATTEMPTS_MAX, CLAIMED_FOR, process_inbox, reprocess
from billing.collection.services.news import ProviderAnswer, apply_news
from billing.models import Invoice, Payment, Subscription
from config.workbench.fakestripe.server import FakeStripe
from tests.billing.collection.stripe_world import (
    agreed,
    buy,
    collecting,
    customer_of,
    deliver,
    deliver_and_process,
    give_card,
    handled,
    make_buyer,
    make_endpoint,
    now,
    subscribed,
)
from tests.billing.world import STAFF, make_plan
from tests.fakestripe import shopper

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def endpoint(db: None) -> None:
    make_endpoint()


def completed(fake: FakeStripe) -> list[Any]:
    """Return the event of the checkout, without others that it caused."""
    return [event for event in handled(fake) if event["type"] == "checkout.session.completed"]


def of_type(kind: str) -> InboxEvent:
    return InboxEvent.objects.filter(type=kind).earliest("received_at")


def test_an_event_for_which_stripe_does_not_respond_is_deferred_for_longer_each_time(fake_stripe: FakeStripe) -> None:
    buy(make_buyer(), make_plan())
    deliver(fake_stripe, completed(fake_stripe))
    fake_stripe.control.fail("/v1/checkout/sessions/.*", status=500, times=1000)
    as_of = now()
    pauses = []
    for _ in range(4):
        run = process_inbox(as_of=as_of)
        event = InboxEvent.objects.get()
        assert (event.status, len(run.failed)) == ("failed", 1)
        assert "PaymentProviderError" in event.error
        assert event.next_attempt_at is not None
        pauses.append(event.next_attempt_at - as_of)
        assert process_inbox(as_of=as_of).failed == []  # not before its time
        as_of = event.next_attempt_at

    assert pauses == [timedelta(minutes=minutes) for minutes in (1, 2, 4, 8)]
    fake_stripe.api.reset()
    Circuit.objects.all().delete()  # its pause is over: PostgreSQL's clock counts, which no test moves
    assert process_inbox(as_of=as_of).processed == 1
    assert Subscription.objects.count() == 1


def test_an_event_that_kills_its_workers_is_left_to_a_person(fake_stripe: FakeStripe) -> None:
    buy(make_buyer(), make_plan())
    deliver(fake_stripe, handled(fake_stripe)[:1])
    as_of = now()
    InboxEvent.objects.update(attempts=ATTEMPTS_MAX, next_attempt_at=as_of)

    assert process_inbox(as_of=as_of).processed == 0

    event = InboxEvent.objects.get()
    assert (event.status, event.next_attempt_at) == ("failed", None)
    assert reprocess(inbox_event_id=event.pk, actor=STAFF, as_of=as_of).status == "processed"


def test_a_running_claim_is_respected_and_an_expired_one_is_not(fake_stripe: FakeStripe) -> None:
    buy(make_buyer(), make_plan())
    deliver(fake_stripe, handled(fake_stripe))
    as_of = now()
    while stripe_inbox._claim(as_of):  # a worker that claims everything, and dies
        pass

    assert process_inbox(as_of=as_of + CLAIMED_FOR - timedelta(seconds=1)).processed == 0
    assert process_inbox(as_of=as_of + CLAIMED_FOR).processed > 0
    assert Subscription.objects.count() == 1


def test_an_older_state_is_not_applied_over_a_newer_one(
    fake_stripe: FakeStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscription = subscribed(fake_stripe)
    deliver_and_process(fake_stripe)
    agreement = fake_stripe.store.objects["subscription"][agreed(subscription).reference]
    asked: list[int] = []
    ask = stripe_inbox.fetch_answer

    def fetch_slowly(**question: Any) -> Any:
        answer = ask(**question)
        if not asked:
            # While the first response is on its way, the state changes, and another worker applies the change.
            fake_stripe.store.update(agreement, cancel_at_period_end=False, cancel_at=None)
            ProviderCustomer.objects.update(revision=answer.customer.revision + 1)
        asked.append(1)
        return answer

    fake_stripe.store.update(agreement, cancel_at_period_end=True)
    monkeypatch.setattr(stripe_inbox, "fetch_answer", fetch_slowly)
    reprocess(inbox_event_id=of_type("customer.subscription.created").pk, actor=STAFF, as_of=now())

    subscription.refresh_from_db()
    assert len(asked) == 2
    assert not subscription.is_cancelled_at_period_end


def test_control_without_the_revision_the_older_state_is_applied(
    fake_stripe: FakeStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscription = subscribed(fake_stripe)
    deliver_and_process(fake_stripe)
    agreement = fake_stripe.store.objects["subscription"][agreed(subscription).reference]
    ask = stripe_inbox.fetch_answer

    def fetch_slowly(**question: Any) -> Any:
        answer = ask(**question)
        fake_stripe.store.update(agreement, cancel_at_period_end=False, cancel_at=None)
        return answer

    def apply_blindly(*, answer: ProviderAnswer, as_of: Any) -> str:
        return apply_news(answer=answer, as_of=as_of)

    fake_stripe.store.update(agreement, cancel_at_period_end=True)
    monkeypatch.setattr(stripe_inbox, "fetch_answer", fetch_slowly)
    monkeypatch.setattr(stripe_inbox, "apply_answer", apply_blindly)
    reprocess(inbox_event_id=of_type("customer.subscription.created").pk, actor=STAFF, as_of=now())

    subscription.refresh_from_db()
    assert subscription.is_cancelled_at_period_end


def test_reprocessing_changes_nothing_that_was_done_and_is_audited(fake_stripe: FakeStripe) -> None:
    subscribed(fake_stripe)
    deliver_and_process(fake_stripe)
    paid = of_type("invoice.paid")
    before = (Payment.objects.count(), Subscription.objects.get().version, Invoice.objects.get().status)

    for event in InboxEvent.objects.all():
        again = reprocess(inbox_event_id=event.pk, actor=STAFF, as_of=now())
        assert again.status in {"processed", "ignored"}, again.error

    assert (Payment.objects.count(), Subscription.objects.get().version, Invoice.objects.get().status) == before
    assert AuditEntry.objects.filter(action="inbox_event.reprocessed", target_id=paid.pk).count() == 1
    with pytest.raises(NotFoundError):
        reprocess(inbox_event_id=0, actor=STAFF, as_of=now())


def test_an_event_claimed_by_a_worker_is_not_reprocessed(fake_stripe: FakeStripe) -> None:
    buy(make_buyer(), make_plan())
    deliver(fake_stripe, handled(fake_stripe)[:1])
    as_of = now()
    stripe_inbox._claim(as_of)

    with pytest.raises(ConflictError):
        reprocess(inbox_event_id=InboxEvent.objects.get().pk, actor=STAFF, as_of=as_of)


def test_an_event_that_is_none_of_ours_is_ignored_with_a_reason(fake_stripe: FakeStripe) -> None:
    subscribed(fake_stripe)
    strange = {
        "checkout.session.completed": {"id": "cs_1", "object": "checkout.session", "customer": "cus_other"},
        "customer.subscription.updated": {"id": "sub_1", "object": "subscription", "customer": "cus_other"},
        "invoice.paid": {"id": "in_1", "object": "invoice", "customer": "cus_other"},
        "customer.updated": {"id": "cus_other", "object": "customer"},
        "charge.succeeded": {"id": "ch_1", "object": "charge", "customer": "cus_other"},
    }
    for number, (kind, described) in enumerate(strange.items()):
        InboxEvent.objects.create(
            provider="stripe", event_id=f"evt_{number}", type=kind, received_at=now(), next_attempt_at=now(),
            payload={"id": f"evt_{number}", "type": kind, "data": {"object": described}},
        )  # fmt: skip
    process_inbox(as_of=now())

    told = {event.type: event for event in InboxEvent.objects.filter(event_id__in=[f"evt_{n}" for n in range(5)])}
    assert told["charge.succeeded"].outcome == "an event of a type that changes nothing here"
    for kind in ("customer.subscription.updated", "invoice.paid", "customer.updated"):
        assert (told[kind].status, "not a customer of ours" in told[kind].outcome) == ("ignored", True), kind
    # Stripe has no such checkout, so it needs a person.
    assert (
        told["checkout.session.completed"].status,
        "PaymentRefused" in told["checkout.session.completed"].error,
    ) == ("failed", True)


def test_an_invoice_of_another_customer_that_names_ours_needs_a_person(fake_stripe: FakeStripe) -> None:
    other = subscribed(fake_stripe, "rival", code="other")
    deliver_and_process(fake_stripe)
    subscription = subscribed(fake_stripe)
    [collected] = collecting(fake_stripe, Invoice.objects.get(subscription=subscription))
    customer_id = customer_of(other.tenant).reference
    fake_stripe.store.update(collected, customer=customer_id)

    run = deliver_and_process(fake_stripe)

    assert run.failed
    assert Invoice.objects.get(tenant=subscription.tenant_id).status == "finalized"


def test_the_worker_s_task_and_the_schedules_run_and_leave_a_row(fake_stripe: FakeStripe) -> None:
    buy(make_buyer(), make_plan())
    deliver(fake_stripe, handled(fake_stripe))

    assert "failed" in tasks.process_delivered()
    assert tasks.process_inbox() == tasks.collect() == tasks.push_usage() == "succeeded"
    assert set(JobRun.objects.values_list("name", flat=True)) == {"inbox", "collection", "usage_push"}
    assert Subscription.objects.count() == 1
    assert InboxStatus.PENDING not in set(InboxEvent.objects.values_list("status", flat=True))


def test_the_command_sets_up_waits_for_a_fake_that_begins_and_says_when_stripe_is_away(
    fake_stripe: FakeStripe, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    make_plan()
    call_command("provider_setup")
    assert "agreement in EUR: price_" in capsys.readouterr().out

    fake_stripe.control.fail("/v1/prices", status=500, times=4)
    call_command("provider_setup", wait=20, verbosity=0)

    settings.STRIPE_API_HOST = "http://127.0.0.1:9"
    with pytest.raises(CommandError):
        call_command("provider_setup")


def put(kind: str, described: dict[str, Any], id_: str = "evt_put", **more: Any) -> InboxEvent:
    """Store an event in the inbox, as though it had been delivered."""
    payload = {"id": id_, "type": kind, "data": {"object": described}, **more}
    return InboxEvent.objects.create(
        provider="stripe",
        event_id=id_,
        type=kind,
        payload=payload,
        received_at=now(),
        next_attempt_at=now() - timedelta(days=1),
    )


def processed(event: InboxEvent) -> InboxEvent:
    process_inbox(as_of=now(), limit=1)
    event.refresh_from_db()
    return event


def test_an_unfinished_checkout_creates_nothing(fake_stripe: FakeStripe) -> None:
    buy(make_buyer(), make_plan(), card=shopper.DECLINED)
    [session] = fake_stripe.store.all("checkout.session")

    event = processed(put("checkout.session.completed", session))

    assert (event.status, event.outcome) == ("ignored", "a checkout that made no agreement")


def test_a_subscription_that_others_made_for_our_customer_is_none_of_ours(fake_stripe: FakeStripe) -> None:
    subscription = subscribed(fake_stripe)
    agreement = fake_stripe.store.objects["subscription"][agreed(subscription).reference]
    fake_stripe.store.update(agreement, metadata={})
    ignored = processed(put("customer.subscription.updated", agreement, "evt_others"))
    assert (ignored.status, ignored.outcome) == ("ignored", "a subscription that was not made by our checkout")

    fake_stripe.store.update(agreement, metadata={"countinghouse_tenant": str(uuid4())})
    failed = processed(put("customer.subscription.updated", agreement, "evt_strange"))
    assert (failed.status, "names another tenant" in failed.error) == ("failed", True)


def test_an_invoice_at_stripe_that_collects_none_of_ours_is_ignored(fake_stripe: FakeStripe) -> None:
    subscribed(fake_stripe)
    deliver_and_process(fake_stripe)
    zero = [event for event in InboxEvent.objects.filter(type="invoice.paid") if event.status == "ignored"]
    assert [event.outcome for event in zero] == ["an invoice at Stripe that collects none of ours"]


def test_an_invoice_of_ours_that_stripe_still_waits_for_is_unchanged(fake_stripe: FakeStripe) -> None:
    give_card(make_buyer(), make_plan(), card=shopper.FAILS_LATER)
    deliver_and_process(fake_stripe)
    [collected] = collecting(fake_stripe, Invoice.objects.get())

    event = processed(put("invoice.paid", collected))

    assert (event.status, event.outcome) == ("processed", "nothing: at the provider it is open")


def test_a_customer_that_was_deleted_at_stripe_is_cleared_whatever_event_says_so(fake_stripe: FakeStripe) -> None:
    subscribed(fake_stripe)
    customer_id = ProviderCustomer.objects.get().reference
    fake_stripe.store.put("customer", {"id": customer_id, "object": "customer", "deleted": True, "created": 1})

    event = processed(put("customer.updated", {"id": customer_id, "object": "customer"}))

    assert (event.status, event.outcome) == (
        "processed", f"the customer {customer_id} is gone: its card and its agreement are cleared",
    )  # fmt: skip
    assert not ProviderCustomer.objects.exists()


def test_a_thin_event_that_is_reprocessed_stays_ignored(fake_stripe: FakeStripe) -> None:
    event = put("v1.billing.meter.error_report_triggered", {}, object="v2.core.event")
    assert reprocess(inbox_event_id=event.pk, actor=STAFF, as_of=now()).status == "ignored"


def test_an_event_whose_state_keeps_changing_is_deferred(
    fake_stripe: FakeStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribed(fake_stripe)
    ask = stripe_inbox.fetch_answer

    def ask_while_others_apply(**question: Any) -> Any:
        answer = ask(**question)
        ProviderCustomer.objects.update(revision=F("revision") + 1)
        return answer

    monkeypatch.setattr(stripe_inbox, "fetch_answer", ask_while_others_apply)
    again = reprocess(inbox_event_id=of_type("checkout.session.completed").pk, actor=STAFF, as_of=now())

    assert (again.status, "faster than" in again.error) == ("failed", True)


def test_an_event_that_another_worker_finished_is_not_processed_again(
    fake_stripe: FakeStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    buy(make_buyer(), make_plan())
    deliver(fake_stripe, completed(fake_stripe))
    ask = stripe_inbox.fetch_answer

    def ask_for_so_long_that_another_did_it(**question: Any) -> Any:
        monkeypatch.setattr(stripe_inbox, "fetch_answer", ask)
        process_inbox(as_of=now() + CLAIMED_FOR)
        return ask(**question)

    monkeypatch.setattr(stripe_inbox, "fetch_answer", ask_for_so_long_that_another_did_it)
    run = process_inbox(as_of=now())

    assert (run.processed, run.failed) == (0, [])
    assert Subscription.objects.count() == 1
    assert ProviderCustomer.objects.get().revision == 1
