"""The link of a mail pays its invoice without signing in, and opens nothing else."""

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.domain.roles import Role
from accounts.models import Tenant
from billing.collection.errors import PaymentProviderError
from billing.collection.gateways import registry
from billing.dunning.models import DunningSchedule
from billing.dunning.selectors.links import payment_token
from billing.dunning.services.pausing import pause_dunning
from billing.dunning.services.running import run_due_steps
from billing.models import BillingProfile, Invoice
from billing.services.invoicing.staff_actions import void_invoice
from tests.billing.dunning.scripted.provider import ScriptedProvider
from tests.billing.dunning.unpaid import DAY, declined, overdue, pay
from tests.billing.world import MARCH, STAFF, set_issuer
from tests.portal.conftest import NOW, join, make_user, signed_in
from tests.portal.views.test_pricing import shown

pytestmark = pytest.mark.django_db


@pytest.fixture
def provider(settings: Settings) -> ScriptedProvider:
    settings.PAYMENT_PROVIDERS = ["tests.billing.dunning.scripted"]
    scripted = registry.provider_named("second")
    assert isinstance(scripted, ScriptedProvider)
    scripted.__init__()  # type: ignore[misc]  # forget what the test before left
    return scripted


@pytest.fixture
def invoice(provider: ScriptedProvider) -> Invoice:
    set_issuer(bank_account="DE89 3704 0044 0532 0130 00\nCOBADEFFXXX", email="billing@seller.example")
    return declined(provider)


def owner_of(invoice: Invoice) -> Client:
    alice = make_user("alice@example.com")
    join(alice, invoice.tenant, Role.OWNER)
    return signed_in(alice)


def link(invoice: Invoice) -> str:
    return reverse("portal:pay_link", args=[payment_token(invoice, as_of=NOW)])


def test_whoever_has_the_link_sees_this_invoice_alone_and_is_sent_to_the_payment_page(invoice: Invoice) -> None:
    other = overdue("globex", plan=invoice.subscription.plan_version)
    page = Client().get(link(invoice))
    text = shown(page)
    assert f"Invoice {invoice.number}" in text
    assert "49.00" in text
    assert "Due on 15 March 2026" in text
    assert "DE89 3704 0044 0532 0130 00 COBADEFFXXX" in text
    assert str(other.number) not in text
    assert "/t/acme" not in page.content.decode()
    assert "no-store" in page["Cache-Control"]
    assert "noindex" in page.content.decode()
    # Without a referrer browsers send no origin either, and the form would be refused.
    assert (page["Referrer-Policy"], "no-referrer" in page.content.decode()) == ("same-origin", False)
    assert "RF" in text
    assert 'class="transfer-code"' in page.content.decode()

    leaving = Client().post(link(invoice))
    assert f"https://second.example/claim-{invoice.number}" in leaving.content.decode()
    assert "/t/acme" not in leaving.content.decode()


def test_a_paid_invoice_says_thank_you_and_a_void_one_that_nothing_is_due(invoice: Invoice) -> None:
    address = link(invoice)
    pay(invoice, NOW)
    assert "Paid, thank you." in shown(Client().get(address))
    assert "Pay now" not in shown(Client().post(address))
    other = overdue("globex", plan=invoice.subscription.plan_version)
    from_staff = {"reason": "a mistake", "actor": STAFF, "as_of": NOW}
    void_invoice(invoice_id=other.pk, **from_staff)
    assert "There is nothing to pay." in shown(Client().get(link(other)))


def test_the_page_is_in_the_customers_language(invoice: Invoice) -> None:
    BillingProfile.objects.update_or_create(tenant=invoice.tenant, defaults={"language": "de"})
    page = Client().get(link(invoice))
    assert "Rechnung INV" in shown(page)
    assert 'lang="de"' in page.content.decode()
    assert "Jetzt bezahlen" in shown(page)


def test_a_link_that_is_damaged_expired_or_of_a_draft_opens_nothing(invoice: Invoice, settings: Settings) -> None:
    address = link(invoice)
    assert Client().get(f"{address[:-2]}/").status_code == 404
    assert Client().get("/pay/nonsense/").status_code == 404
    assert Client().post("/pay/%00/").status_code == 400
    with time_machine.travel(NOW + (settings.PAYMENT_LINK_DAYS + 1) * DAY, tick=False):
        page = Client().get(address)
        assert page.status_code == 410
        assert "49.00" not in page.content.decode()
        assert Client().post(address).status_code == 410


def test_a_provider_that_is_away_is_told_and_without_one_the_transfer_remains(
    invoice: Invoice, provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(bill: object) -> object:
        raise PaymentProviderError("No answer.")

    monkeypatch.setattr(provider, "prepare_invoice", away)
    page = Client().post(link(invoice))
    assert page.status_code == 503
    assert page["Retry-After"]
    assert "cannot be opened at the moment" in shown(page)
    provider.is_configured = False
    page = Client().get(link(invoice))
    assert "Pay now" not in shown(page)
    assert "Reference of the transfer" in shown(page)


@pytest.mark.takes_long("it sends hundreds of requests")
def test_a_flood_of_requests_is_stopped(invoice: Invoice) -> None:
    client, address = Client(), link(invoice)
    statuses = [client.post(address).status_code for _ in range(11)]
    assert statuses == [200] * 10 + [429]
    assert client.post(address)["Retry-After"]
    assert Client(REMOTE_ADDR="203.0.113.7").get(address).status_code == 200


def test_the_banner_says_what_follows_and_has_the_link(invoice: Invoice) -> None:
    alice = owner_of(invoice)
    text = shown(alice.get("/t/acme/"))
    assert "Your card was declined. Pro starts when 49.00 EUR is paid." in text
    assert "Your card is charged again on 2 March 2026." in text
    assert "The service is suspended on 15 March 2026 if it is still unpaid." in text
    assert link(invoice) in alice.get("/t/acme/").content.decode()

    pause_dunning(tenant=Tenant.objects.get(slug="acme"), reason="Promised.", actor=STAFF, as_of=NOW)
    assert "charged again" not in shown(alice.get("/t/acme/"))


def test_a_suspended_customer_cannot_change_the_plan_before_it_pays(invoice: Invoice) -> None:
    DunningSchedule.objects.update(suspend_on_day=2)
    alice = owner_of(invoice)
    invoice.dunning_cases.update(stage="suspended")
    answer = alice.get("/t/acme/plan/choose/?plan=pro", follow=True)
    assert "Pay your overdue invoices first." in shown(answer)
    pay(invoice, NOW)
    run_due_steps(as_of=NOW + timedelta(minutes=1))
    assert "Pay your overdue" not in shown(alice.get("/t/acme/plan/choose/?plan=pro", follow=True))
    assert invoice.finalized_at is not None
    assert invoice.finalized_at < MARCH + DAY
