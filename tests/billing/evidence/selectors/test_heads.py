"""The head of a bundle: versions of plans and meters, and the moment up to which events count."""

from datetime import timedelta
from decimal import Decimal

import pytest

from billing.domain.prices import Graduated, PerUnit, Tier
from billing.evidence.domain.bundle import EventsShown
from billing.evidence.selectors.heads import basis_of, head_of
from billing.services.invoicing.reissuing import reissue_invoice
from tests.billing.evidence.evidence_world import invoiced_march, march
from tests.billing.world import STAFF, close_month, first_invoice, make_plan, subscribe_tenant
from tests.metering.ledger_world import make_meter

pytestmark = pytest.mark.django_db


def test_prices_and_meters_are_there_as_they_were_published() -> None:
    make_meter("calls", "http_request", aggregation="sum", filters={"size": {"gte": "0.5"}}, value_property="bytes")
    tiers = Graduated((Tier(Decimal(1000), Decimal(0)), Tier(None, Decimal("0.01"))))
    subscription = subscribe_tenant(plan=make_plan(usage={"calls": tiers}))
    first_invoice(subscription)
    invoice = close_month(subscription)
    head = head_of(basis_of(invoice), {}, EventsShown.FULL)
    [version] = head["plan_versions"]
    fee, usage = version["terms"]["prices"]
    assert fee == ["EUR", "", "flat", {"amount": "49"}]
    assert usage[:3] == ["EUR", "calls", "graduated"]
    [meter] = head["meters"]
    [first] = meter["versions"]
    assert (first["begins"], first["ends"], first["aggregation"], first["value_property"]) == (
        None,
        None,
        "sum",
        "bytes",
    )
    assert first["filters"] == {"size": {"gte": "0.5"}}


def test_what_takes_the_place_of_an_invoice_counts_what_that_had_counted() -> None:
    invoice = invoiced_march()
    again = reissue_invoice(invoice_id=invoice.pk, reason="Address", actor=STAFF, as_of=march(31) + timedelta(days=9))
    known = {one.known_at for one in basis_of(again).spans}
    assert known == {invoice.computed_at}


def test_a_price_by_another_version_is_another_row_of_the_list() -> None:
    subscription = subscribe_tenant()
    first_invoice(subscription)
    make_plan("pro", usage={"calls": PerUnit(Decimal("0.002"))})
    invoice = close_month(subscription)
    basis = basis_of(invoice)
    assert [version.number for version in basis.versions] == [1]  # subscriptions stay on theirs
