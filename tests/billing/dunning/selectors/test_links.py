"""Links to the payment page: signed, for one invoice, for some days."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from pytest_django import Settings

from billing.dunning.errors import PaymentLinkError
from billing.dunning.selectors.links import payment_address, payment_token, read_payment_token
from billing.models import Invoice
from tests.billing.models import rows
from tests.billing.models.rows import NOW
from tests.billing.world import subscribe_tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def invoice() -> Invoice:
    return rows.draft(subscribe_tenant())


def test_a_link_names_its_invoice_until_its_end(invoice: Invoice, settings: Settings) -> None:
    link = read_payment_token(payment_token(invoice, as_of=NOW))
    assert (link.invoice_id, link.tenant_id) == (invoice.pk, invoice.tenant_id)
    assert not link.is_expired(NOW + timedelta(days=settings.PAYMENT_LINK_DAYS))
    assert link.is_expired(NOW + timedelta(days=settings.PAYMENT_LINK_DAYS + 1))
    assert payment_address(invoice, as_of=NOW).startswith(f"{settings.PUBLIC_URL}/pay/")
    assert payment_token(invoice, as_of=NOW) == payment_token(invoice, as_of=NOW + timedelta(hours=2))


def test_a_link_survives_a_rotated_signing_secret(invoice: Invoice, settings: Settings) -> None:
    token = payment_token(invoice, as_of=NOW)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another one that is long enough to sign with it"
    assert read_payment_token(token).invoice_id == invoice.pk


@pytest.mark.parametrize(
    "damage", [lambda token: token[:-1], lambda token: f"A{token[1:]}", str.lower, lambda token: token[:0]]
)
def test_a_token_that_is_not_ours_is_refused(invoice: Invoice, damage: Callable[[str], str]) -> None:
    damaged = damage(payment_token(invoice, as_of=NOW))
    with pytest.raises(PaymentLinkError):
        read_payment_token(damaged)
