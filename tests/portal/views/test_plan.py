"""A tenant's plan: shown to every member, chosen, changed and cancelled by those who manage its money."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.domain.roles import Role
from accounts.models import AuditEntry, Tenant
from billing.domain.prices import PerUnit
from billing.models import Invoice, PlanVersion, Subscription
from billing.services.catalog.plans import update_plan
from billing.services.invoicing.payments import record_failed_payment
from billing.services.subscriptions.changes import When, cancel_subscription
from billing.services.subscriptions.subscribing import subscribe
from config.workbench.fakestripe.server import FakeStripe
from metering.models import Meter, UsagePlanQuota
from tests.billing.world import GRACE, STAFF, close_month, make_plan, set_issuer, use
from tests.metering.ledger_world import ADDRESS
from tests.portal.conftest import NOW, Cast, signed_in
from tests.portal.views.test_pricing import shown

BEGAN = datetime(2026, 2, 28, 23, tzinfo=UTC)  # midnight in Paris, Acme's zone


@pytest.fixture
def pro(db: None) -> PlanVersion:
    return make_plan("pro")


@pytest.fixture
def big(pro: PlanVersion) -> PlanVersion:
    return make_plan("big", fee="199", usage={"calls": PerUnit(Decimal("0.0005"))})


@pytest.fixture
def free(pro: PlanVersion) -> PlanVersion:
    return make_plan("free", fee="0", usage={})


@pytest.fixture
def on_pro(cast: Cast, pro: PlanVersion) -> Subscription:
    """Subscribe Acme to Pro since the first of March, with the first fee invoiced."""
    subscription = subscribe(tenant=cast.acme, plan_version=pro, actor=STAFF, as_of=BEGAN)
    close_month(subscription, as_of=BEGAN)
    return Subscription.objects.get(pk=subscription.pk)


def current() -> Subscription:
    return Subscription.objects.select_related("plan_version__plan", "pending_plan_version__plan").get()


def change(client: Client, to: PlanVersion, when: str, version: int) -> str:
    """Confirm a change, and return the page that it ends on."""
    form = {"plan": to.plan.code, "plan_version": to.pk, "when": when, "version": version}
    return shown(client.post("/t/acme/plan/choose/", form, follow=True))


def test_the_plan_page_shows_the_plan_and_its_next_invoice(cast: Cast, alice: Client, on_pro: Subscription) -> None:
    use(cast.acme, at=NOW - timedelta(hours=1), count=10)

    page = shown(alice.get("/t/acme/plan/"))

    assert "Pro Active" in page
    assert "49 EUR a month" in page
    assert "1\N{EN DASH}31 March 2026" in page
    assert "1 April 2026, about 49.22 EUR projected" in page
    assert "Invoice, within 14 days" in page


@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.VIEWER])
def test_other_members_see_the_plan_without_the_tenants_money(role: Role, cast: Cast, on_pro: Subscription) -> None:
    page = shown(signed_in(cast.of_role(role)).get("/t/acme/plan/"))

    assert "Pro Active" in page
    assert "Next invoice" not in page
    assert "Cancel plan" not in page
    assert "Change to" not in page


def test_a_plan_that_staff_assigned_is_shown_if_nothing_is_for_sale(
    cast: Cast, alice: Client, on_pro: Subscription
) -> None:
    update_plan(plan=on_pro.plan_version.plan, changes={"is_public": False}, actor=STAFF, as_of=NOW)

    page = shown(alice.get("/t/acme/plan/"))

    assert "Pro Active" in page
    assert "No plans in EUR" in page


def test_without_a_stripe_key_the_plan_page_names_a_contact_and_orders_nothing(
    cast: Cast, alice: Client, pro: PlanVersion
) -> None:
    set_issuer(email="billing@seller.example")

    assert "Online payment is not set up here. For a paid plan, write to billing@seller.example" in shown(
        alice.get("/t/acme/plan/")
    )
    assert "Continue to payment" not in shown(alice.get("/t/acme/plan/choose/?plan=pro"))
    answer = alice.post("/t/acme/plan/choose/", {"plan": "pro", "plan_version": pro.pk}, follow=True)
    assert "Online payment is not set up here" in shown(answer)
    assert not Subscription.objects.exists()


def test_a_change_of_plan_is_previewed_by_the_real_computation(
    cast: Cast, alice: Client, on_pro: Subscription, big: PlanVersion
) -> None:
    use(cast.acme, at=NOW - timedelta(hours=1), count=100)

    now = shown(alice.get("/t/acme/plan/choose/?plan=big&when=now"))
    later = shown(alice.get("/t/acme/plan/choose/?plan=big&when=period_end"))

    # 22 of 31 days: 49 gives back 34.77, 199 costs 141.23; then the fee of April. 100 calls cost 0.10 and count until
    # now.
    assert "Unused time on Pro (22 of 31 days)" in now
    assert "\N{MINUS SIGN}34.77 EUR" in now
    assert "141.23 EUR" in now
    assert "With Big 305.56 EUR" in now
    assert "Without the change 49.10 EUR" in now
    assert "Unused time" not in later
    assert "With Big 199.10 EUR" in later
    assert current().plan_version.plan.code == "pro"


def test_a_change_under_which_more_would_be_refused_is_announced_first(
    cast: Cast, alice: Client, on_pro: Subscription, big: PlanVersion
) -> None:
    meter = Meter.objects.get(code="calls")
    quota = UsagePlanQuota.objects.create(usage_plan=big.usage_plan, meter=meter, limit=Decimal(101))
    use(cast.acme, at=NOW - timedelta(hours=1), count=100)
    assert "Requests will be refused" not in shown(alice.get("/t/acme/plan/choose/?plan=big&when=now"))

    UsagePlanQuota.objects.filter(pk=quota.pk).update(limit=100)
    warning = "Big allows 100 calls a month at most, and you have already used 100."
    assert warning in shown(alice.get("/t/acme/plan/choose/?plan=big&when=now"))
    # By then another month has begun.
    assert warning not in shown(alice.get("/t/acme/plan/choose/?plan=big&when=period_end"))

    UsagePlanQuota.objects.filter(pk=quota.pk).update(is_hard=False)
    assert warning not in shown(alice.get("/t/acme/plan/choose/?plan=big&when=now"))


def test_a_change_now_equals_its_preview(cast: Cast, alice: Client, on_pro: Subscription, big: PlanVersion) -> None:
    use(cast.acme, at=NOW - timedelta(hours=1), count=100)

    page = change(alice, big, "now", on_pro.version)

    assert "You are on Big now." in page
    assert current().plan_version == big
    invoice = close_month(current(), as_of=datetime(2026, 4, 1, tzinfo=UTC) + GRACE)
    assert invoice.total_minor == 30556


def test_a_change_at_the_end_of_the_period_waits_and_can_be_undone(
    alice: Client, on_pro: Subscription, big: PlanVersion
) -> None:
    page = change(alice, big, "period_end", on_pro.version)
    assert "You move to Big at the end of the period." in page
    assert "Big begins on 1 April 2026." in page
    assert (current().plan_version.plan.code, current().pending_plan_version) == ("pro", big)

    assert "This undoes the change to Big" in shown(alice.get("/t/acme/plan/undo/"))
    page = shown(alice.post("/t/acme/plan/undo/", {"version": current().version}, follow=True))
    assert "Pro continues as before." in page
    assert current().pending_plan_version is None


def test_a_change_that_was_decided_on_another_state_is_refused_with_a_message(
    alice: Client, on_pro: Subscription, big: PlanVersion
) -> None:
    seen = on_pro.version
    cancel_subscription(subscription=on_pro, when=When.PERIOD_END, actor=STAFF, as_of=NOW)

    page = change(alice, big, "now", seen)

    assert "The subscription was changed meanwhile" in page
    assert (current().plan_version.plan.code, current().is_cancelled_at_period_end) == ("pro", True)


def test_confirming_a_change_twice_changes_once(alice: Client, on_pro: Subscription, big: PlanVersion) -> None:
    seen = on_pro.version

    pages = [change(alice, big, "now", seen) for _ in range(2)]

    assert all("You are on Big now." in page for page in pages)
    assert current().phases.count() == 2
    assert AuditEntry.objects.filter(action="subscription.updated").count() == 1


def test_terms_that_changed_since_they_were_shown_are_shown_again(
    alice: Client, on_pro: Subscription, big: PlanVersion
) -> None:
    make_plan("big", fee="299", usage={})

    page = change(alice, big, "now", on_pro.version)

    assert "The plan's terms have changed" in page
    assert "299 EUR a month" in page
    assert current().plan_version.plan.code == "pro"


def test_a_tenant_with_older_terms_may_take_todays(alice: Client, on_pro: Subscription) -> None:
    newer = make_plan("pro", fee="59", usage={})

    page = shown(alice.get("/t/acme/plan/"))
    assert "Use current terms" in page
    assert "49 EUR a month" in page
    change(alice, newer, "now", on_pro.version)
    assert current().plan_version == newer


@pytest.mark.parametrize("plan", ["pro", "nothing-like-it", ""])
def test_a_plan_that_cannot_be_chosen_is_refused_with_a_message(plan: str, alice: Client, on_pro: Subscription) -> None:
    answer = alice.get("/t/acme/plan/choose/", {"plan": plan}, follow=True)

    assert {"pro": 200, "nothing-like-it": 404, "": 200}[plan] == answer.status_code
    if plan == "pro":
        assert "You are already on this plan" in shown(answer)


def test_a_plan_that_is_not_sold_in_the_tenants_currency_says_why(alice: Client, on_pro: Subscription) -> None:
    make_plan("local", fee={"CHF": "10"}, usage={})

    assert "Local has no prices in EUR" in shown(alice.get("/t/acme/plan/choose/?plan=local"))


def test_a_cancelled_plan_continues_until_its_end_and_can_be_kept(alice: Client, on_pro: Subscription) -> None:
    form = {"when": "period_end", "version": on_pro.version}
    page = shown(alice.post("/t/acme/plan/cancel/", form, follow=True))

    assert "Pro ends on 1 April 2026. Everything works as before until then." in page
    assert current().is_cancelled_at_period_end
    assert "Pro ends on 1 April 2026." in shown(alice.get("/t/acme/usage/"))
    assert "This undoes the cancellation" in shown(alice.get("/t/acme/plan/undo/"))
    alice.post("/t/acme/plan/undo/", {"version": current().version})
    assert not current().is_cancelled_at_period_end


@pytest.mark.parametrize(
    ("policy", "words", "amount"),
    [
        ("by_day", "The fee for the remaining days is refunded.", "34.77 EUR"),
        ("none", "The fee for the period was charged in advance and is not refunded.", "0.00 EUR"),
    ],
)
def test_the_page_shows_the_charge_of_a_cancellation(
    policy: str, words: str, amount: str, alice: Client, on_pro: Subscription
) -> None:
    # 22 of 31 days of 49.00 are left on 10 March.
    set_issuer(fee_refund=policy)
    for path in ("/t/acme/plan/cancel/", "/t/acme/settings/close/"):
        page = shown(alice.get(path))
        assert words in page
        assert "The total of the last invoice is 0.00 EUR with tax" in page
        assert ("34.77 EUR remains as credit" in page) == (policy == "by_day")
    assert amount in shown(alice.get("/t/acme/plan/cancel/"))


def test_a_cancellation_that_staff_must_check_says_so(alice: Client, on_pro: Subscription) -> None:
    Subscription.objects.update(due_at=NOW)
    assert "Its period is just being invoiced" in shown(alice.get("/t/acme/plan/cancel/"))


def test_a_smaller_plan_begins_with_the_next_period(alice: Client, on_pro: Subscription, free: PlanVersion) -> None:
    page = shown(alice.get("/t/acme/plan/choose/?plan=free&when=now"))
    assert "A smaller plan begins with the next period" in page
    assert "Change on 1 April" in page
    form = {"plan": "free", "plan_version": free.pk, "version": on_pro.version, "when": "now"}
    assert "A smaller plan begins with the next period." in shown(alice.post("/t/acme/plan/choose/", form, follow=True))
    assert current().plan_version == on_pro.plan_version

    set_issuer(lets_customers_shrink_now=True, fee_refund="none")
    assert "Change on 1 April" in shown(alice.get("/t/acme/plan/choose/?plan=free"))
    page = shown(alice.get("/t/acme/plan/choose/?plan=free&when=now"))
    assert "Change now" in page
    assert "The fee for this period is not refunded." in page
    alice.post("/t/acme/plan/choose/", form)
    assert current().plan_version == free


def test_a_plan_that_is_cancelled_now_has_ended_and_another_can_be_chosen(
    alice: Client, on_pro: Subscription, free: PlanVersion
) -> None:
    form = {"when": "now", "version": on_pro.version}

    pages = [shown(alice.post("/t/acme/plan/cancel/", form, follow=True)) for _ in range(2)]

    assert "Pro has ended. Usage until now is on your last invoice." in pages[0]
    assert "Pro ended on 10 March 2026. Choose a plan to continue" in pages[1]
    assert "Choose Free" in pages[0]


@pytest.mark.parametrize("form", [{}, {"when": "never", "version": 1}, {"when": "now", "version": "x"}])
def test_an_invalid_cancellation_cancels_nothing(form: dict[str, object], alice: Client, on_pro: Subscription) -> None:
    assert alice.post("/t/acme/plan/cancel/", form).status_code == 422
    assert current().is_live


@pytest.mark.parametrize("page", ["cancel", "undo"])
def test_without_a_plan_there_is_nothing_to_cancel(page: str, cast: Cast, alice: Client) -> None:
    assert alice.get(f"/t/acme/plan/{page}/")["Location"] == "/t/acme/plan/"


def test_a_free_plan_begins_at_once_and_once(cast: Cast, alice: Client, free: PlanVersion) -> None:
    assert "No card is needed" in shown(alice.get("/t/acme/plan/choose/?plan=free"))
    form = {"plan": "free", "plan_version": free.pk}

    answers = [alice.post("/t/acme/plan/choose/", form, follow=True) for _ in range(2)]

    assert "You are on Free now." in shown(answers[0])
    assert Subscription.objects.get().plan_version == free
    assert {answer.status_code for answer in answers} == {200}


def test_an_order_without_its_terms_orders_nothing(cast: Cast, alice: Client, free: PlanVersion) -> None:
    answer = alice.post("/t/acme/plan/choose/", {"plan": "free"}, follow=True)

    assert "The plan's terms have changed" in shown(answer)
    assert not Subscription.objects.exists()


def test_a_plan_with_a_fee_leads_to_the_checkout_by_a_page_of_ours(
    fake_stripe: FakeStripe, cast: Cast, alice: Client, pro: PlanVersion
) -> None:
    assert "Total due 49.00 EUR" in shown(alice.get("/t/acme/plan/choose/?plan=pro"))

    answer = alice.post("/t/acme/plan/choose/", {"plan": "pro", "plan_version": pro.pk} | ADDRESS)

    assert answer.status_code == 200, "a redirect of a form to another host is stopped by the policy"
    assert f'<meta http-equiv="refresh" content="0; url={fake_stripe.url}/' in answer.content.decode()
    assert "form-action 'self'" in answer["Content-Security-Policy"]
    assert not Subscription.objects.exists(), "nothing is bought before Stripe has said so"


def test_a_tenant_without_a_card_enters_one_before_it_changes_to_a_plan_with_a_fee(
    fake_stripe: FakeStripe, cast: Cast, alice: Client, free: PlanVersion, pro: PlanVersion
) -> None:
    subscribe(tenant=cast.acme, plan_version=free, actor=STAFF, as_of=BEGAN)
    assert "Pro needs a card" in shown(alice.get("/t/acme/plan/choose/?plan=pro"))

    form = {"plan": "pro", "plan_version": pro.pk, "when": "now", "version": current().version}
    answer = alice.post("/t/acme/plan/choose/", form | ADDRESS)

    assert f"url={fake_stripe.url}/" in answer.content.decode()
    assert current().plan_version == free


def test_the_way_back_from_the_checkout_waits_for_stripes_message(cast: Cast, alice: Client, pro: PlanVersion) -> None:
    address = "/t/acme/plan/checkout-done/?plan=pro"
    assert "this page then updates" in shown(alice.get(address))
    assert alice.get(address, headers={"HX-Request": "true"}).status_code == 204

    subscribe(tenant=cast.acme, plan_version=pro, actor=STAFF, as_of=NOW)

    assert alice.get(address, headers={"HX-Request": "true"})["HX-Redirect"] == "/t/acme/plan/"
    assert "Welcome to Pro" in shown(alice.get(address, follow=True))


def test_a_customer_who_left_the_checkout_reads_that_nothing_was_charged(
    cast: Cast, alice: Client, pro: PlanVersion
) -> None:
    assert "Nothing was ordered or charged" in shown(alice.get("/t/acme/plan/?checkout=left"))


def test_cards_are_changed_at_stripe(fake_stripe: FakeStripe, cast: Cast, alice: Client, on_pro: Subscription) -> None:
    assert "Cards and payment details" in shown(alice.get("/t/acme/plan/"))

    answer = alice.post("/t/acme/plan/card/")

    assert f"url={fake_stripe.url}/" in answer.content.decode()


@pytest.mark.parametrize("page", ["plan/card/", "plan/choose/"])
def test_an_unavailable_stripe_shows_a_message_and_nothing_is_lost(
    page: str, settings: Settings, cast: Cast, alice: Client, pro: PlanVersion
) -> None:
    settings.STRIPE_SECRET_KEY = "sk_test_countinghouseFakeStripe000"
    settings.STRIPE_API_HOST = "http://127.0.0.1:1"

    answer = alice.post(f"/t/acme/{page}", {"plan": "pro", "plan_version": pro.pk} | ADDRESS)

    assert answer.status_code == 503
    assert answer["Retry-After"] == "30"
    assert "Stripe is not responding" in shown(answer)
    assert "Nothing was changed or charged" in shown(answer)
    assert not Subscription.objects.exists()


def test_a_trial_is_shown_on_every_page_and_before_it_begins(cast: Cast, alice: Client, settings: Settings) -> None:
    settings.STRIPE_SECRET_KEY = "sk_test_countinghouseFakeStripe000"
    trial = make_plan("pro", trial_days=14)
    assert "Nothing to pay today" in shown(alice.get("/t/acme/plan/choose/?plan=pro"))

    subscribe(tenant=cast.acme, plan_version=trial, actor=STAFF, as_of=NOW)

    assert "Your trial of Pro ends on 24 March 2026." in shown(alice.get("/t/acme/keys/"))
    assert "Until 24 March 2026. You are not charged before then" in shown(alice.get("/t/acme/plan/"))
    assert "You will not be charged" in shown(alice.get("/t/acme/plan/cancel/"))


def test_days_stay_those_of_the_subscription_when_the_tenants_zone_changes(
    cast: Cast, alice: Client, on_pro: Subscription
) -> None:
    Tenant.objects.filter(pk=cast.acme.pk).update(time_zone="America/New_York")

    assert "1\N{EN DASH}31 March 2026" in shown(alice.get("/t/acme/plan/"))


def test_the_plan_page_takes_the_same_queries_for_two_plans_and_for_six(
    cast: Cast, alice: Client, on_pro: Subscription, big: PlanVersion, query_count: Callable[[Client, str], int]
) -> None:
    for_two = query_count(alice, "/t/acme/plan/")
    for number in range(4):
        make_plan(f"more-{number}", usage={})

    assert query_count(alice, "/t/acme/plan/") == for_two


def test_an_invoice_that_staff_must_check_first_is_left_out_without_an_error(
    cast: Cast, alice: Client, on_pro: Subscription
) -> None:
    Subscription.objects.update(currency="CHF")

    page = shown(alice.get("/t/acme/plan/"))

    assert "projected" not in page
    assert Invoice.objects.count() == 1


def test_a_customer_whose_first_payment_was_declined_is_not_welcomed(
    cast: Cast, alice: Client, on_pro: Subscription
) -> None:
    invoice = Invoice.objects.get(subscription=on_pro, status="finalized")
    record_failed_payment(
        invoice_id=invoice.pk, provider="stripe", reference="pi_1", amount_minor=invoice.total_minor,
        currency=invoice.currency, error="Your card was declined.", occurred_at=NOW, as_of=NOW,
    )  # fmt: skip

    page = shown(alice.get("/t/acme/plan/checkout-done/?plan=pro", follow=True))

    assert "Your card was declined. Pro starts when 49.00 EUR is paid." in page
    assert "Welcome to Pro" not in page
