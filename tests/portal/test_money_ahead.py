"""The cost so far is the invoice that the close would make now."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

from django.test import Client

from accounts.models import Tenant
from billing.models import TaxRate
from tests.billing.world import close_month, set_issuer, use
from tests.portal.conftest import NOW, Cast
from tests.portal.views.test_invoices import MARCH, issue_march, subscribe_acme


def test_the_cost_so_far_is_to_the_cent_what_the_close_would_draft_now(
    cast: Cast, alice: Client, query_count: Callable[[Client, str], int]
) -> None:
    subscription = subscribe_acme(cast)
    issue_march(subscription)
    TaxRate.objects.create(country="FR", name="VAT", percent=Decimal(20))
    Tenant.objects.filter(pk=cast.acme.pk).update(country="FR")
    set_issuer(country="FR")
    use(cast.acme, at=NOW - timedelta(hours=1), count=1337)
    use(cast.acme, at=MARCH - timedelta(days=3), count=600, as_of=NOW)

    ahead = alice.get("/t/acme/").context["ahead"]

    drafted = close_month(subscription)
    assert drafted.total_minor == ahead.now.total_minor
    assert drafted.tax_minor == ahead.now.tax_minor > 0
    assert ahead.usage_minor + ahead.other_minor + ahead.fee_minor == drafted.subtotal_minor
    assert ahead.other_minor == 60, "600 late calls of February"
    assert query_count(alice, "/t/acme/") <= 50
    assert query_count(alice, "/t/acme/usage/?meter=calls") <= 30
