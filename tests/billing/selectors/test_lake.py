"""Invoice lines, as SQL shows them."""

import pytest

from accounts.domain.scopes import Scope
from billing.models import InvoiceLine
from metering.lake.domain.questions import Range
from metering.lake.services.querying import query_as_tenant
from tests.billing.world import MARCH, close_month, set_issuer, subscribe_tenant, use
from tests.metering.ledger_world import ledger_of, make_tenant

pytestmark = pytest.mark.django_db
QUERY = "SELECT invoice, position, quantity, amount_minor, meter FROM invoice_lines ORDER BY invoice, position"


def test_sql_shows_the_lines_of_finalized_invoices() -> None:
    set_issuer()
    subscription = subscribe_tenant()
    use(subscription.tenant, 1234, at=MARCH)
    invoice = close_month(subscription)
    scopes = frozenset({Scope.USAGE_READ, Scope.BILLING_READ})
    answer = query_as_tenant(QUERY, ledger=ledger_of(subscription.tenant), scopes=scopes, span=Range())
    lines = InvoiceLine.objects.filter(invoice__number__isnull=False).order_by("invoice__number", "position")
    assert invoice.number in {row[0] for row in answer.rows}
    assert [row[3] for row in answer.rows] == [line.amount_minor for line in lines]
    assert ("1234", "calls") in {(row[2], row[4]) for row in answer.rows}
    others = query_as_tenant(QUERY, ledger=ledger_of(make_tenant("rival")), scopes=scopes, span=Range())
    assert others.rows == []
