"""The table that compares plans."""

from decimal import Decimal

from billing.domain.prices import Graduated, PerUnit, Tier
from billing.selectors.catalog.plans import plans_for_sale
from billing.services.catalog.plans import update_plan
from metering.models import Meter, UsagePlan, UsagePlanQuota
from portal.comparison import ComparedCell, comparison_of
from portal.price_list import offers_of
from tests.billing.world import STAFF, make_plan
from tests.metering.ledger_world import make_meter
from tests.portal.conftest import NOW


def rows(currency: str = "EUR") -> dict[str, dict[str, list[str]]]:
    """Return the texts of the table by group and row; a benefit is `yes` or `no`."""

    def text(cell: ComparedCell) -> str:
        if cell.has_benefit is None:
            return " / ".join(cell.lines).replace("\N{NO-BREAK SPACE}", " ")
        return "yes" if cell.has_benefit else "no"

    groups = comparison_of(offers_of(plans_for_sale(), currency))
    return {group.name: {row.name: [text(cell) for cell in row.cells] for row in group.rows} for group in groups}


def test_plans_are_compared_by_price_included_units_limits_and_benefits(db: None) -> None:
    make_meter("calls", "http_request", unit="calls")
    free = make_plan("a-free", fee="0", usage={})
    tiers = (Tier(Decimal(300), Decimal(0)), Tier(None, Decimal("0.045")))
    pro = make_plan("b-pro", fee="49", usage={"calls": Graduated(tiers)}, trial_days=14)
    make_plan("c-big", fee="199", usage={"calls": PerUnit(Decimal("0.02"))})
    update_plan(plan=free.plan, changes={"features": "API"}, actor=STAFF, as_of=NOW)
    update_plan(plan=pro.plan, changes={"features": "API\nE-mail"}, actor=STAFF, as_of=NOW)
    requests = Meter.objects.get(code="api_requests")
    usage_plan = UsagePlan.objects.get(code="a-free")
    UsagePlanQuota.objects.create(
        usage_plan=usage_plan, meter=requests, period="month", limit=Decimal(500), is_hard=True
    )
    UsagePlan.objects.filter(pk=usage_plan.pk).update(throttle_rate=5, throttle_burst=20)

    assert rows() == {
        "Price": {"Monthly fee": ["0 EUR", "49 EUR", "199 EUR"], "Free trial": ["", "14 days", ""]},
        "calls": {
            "Included": ["Not charged", "300 calls a month", "None"],
            "Price": [
                "Not charged",
                "Up to 300: Included / Above 300: 0.045 EUR per call",
                "0.02 EUR per call",
            ],
        },
        "Limits": {
            requests.name: ["500 requests a month at most", "No limit", "No limit"],
            "Rate": ["5 requests a second, 20 at once", "No limit", "No limit"],
        },
        "Benefits": {"API": ["yes", "yes", "no"], "E-mail": ["no", "yes", "no"]},
    }


def test_groups_and_rows_that_say_nothing_are_left_out(db: None) -> None:
    make_plan(usage={})

    assert rows() == {"Price": {"Monthly fee": ["49 EUR"]}}
    assert rows("USD") == {"Price": {"Monthly fee": []}}
