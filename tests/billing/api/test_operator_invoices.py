"""`POST /operator/invoices`: a run for the operator's programs, previewed by its own dry run."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.domain.api_key import KeyKind
from accounts.domain.scopes import SCOPES_FOR_TENANT_KEYS, Scope
from accounts.models import JobRun
from accounts.selectors.api_keys import forget_keys
from billing.models import Invoice
from tests.billing.world import make_plan, subscribe_tenant, use
from tests.metering.api.conftest import Api, body_of, problem_of
from tests.metering.ledger_world import make_key

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator() -> Api:
    forget_keys()
    key, secret = make_key(None, kind=KeyKind.SERVICE, scopes=list(Scope))
    return Api(secret, key)


@pytest.fixture
def three_months() -> datetime:
    """Create two tenants that subscribed three months ago and were never invoiced. Return when they did."""
    now = timezone.now()
    began = datetime(now.year, now.month, 1, tzinfo=UTC) - timedelta(days=1)
    began = datetime(began.year, began.month, 1, tzinfo=UTC)
    plan = make_plan()
    for slug in ("acme", "globex"):
        use(subscribe_tenant(slug, plan=plan, as_of=began).tenant, 1200, at=began + timedelta(days=3))
    return began


def post(operator: Api, **body: object) -> Any:
    response = operator.post("/operator/invoices", body)
    assert response.status_code == 200, response.content
    return body_of(response)


def test_the_dry_run_and_the_run_return_the_same_totals(operator: Api, three_months: datetime) -> None:
    period = f"{three_months:%Y-%m}"
    dry = post(operator, period=period, dry_run=True)
    assert (dry["period"], dry["dry_run"], dry["drafted"], dry["finalized"]) == (period, True, 0, 0)
    assert not Invoice.objects.exists()
    real = post(operator, period=period)
    # A period that ended within the last hour would still wait for its grace.
    assert (real["dry_run"], real["drafted"]) == (False, 4)
    compared = ("tenant", "subscription", "currency", "period", "lines", "subtotal_minor", "tax_minor", "total_minor")
    assert {tuple(str(row[name]) for name in compared) for row in dry["invoices"]} == {
        tuple(str(row[name]) for name in compared) for row in real["invoices"]
    }
    assert {row["number"] for row in dry["invoices"]} == {None}
    assert sorted(row["subtotal_minor"] for row in real["invoices"]) == [4900, 4900, 5020, 5020]
    assert (real["parked"], real["invoices_omitted"]) == ([], 0)
    run = JobRun.objects.get()
    assert (run.name, run.outcome, run.summary["drafted"]) == ("invoicing of some", "succeeded", 4)


def test_a_run_for_one_tenant_invoices_nothing_twice(operator: Api, three_months: datetime) -> None:
    period = f"{three_months:%Y-%m}"
    first = post(operator, period=period, tenant="acme")
    assert {row["tenant"] for row in first["invoices"]} == {"acme"}
    assert post(operator, period=period, tenant="acme")["invoices"] == []


def test_a_retry_of_a_run_gets_the_first_response(operator: Api, three_months: datetime) -> None:
    body = {"period": f"{three_months:%Y-%m}", "tenant": "acme"}
    first = operator.post("/operator/invoices", body, Idempotency_Key="close")
    again = operator.post("/operator/invoices", body, Idempotency_Key="close")
    assert body_of(first)["drafted"] == 2
    assert again["Idempotency-Replayed"] == "true"
    assert body_of(again) == body_of(first)


@pytest.mark.parametrize(
    ("period", "code"), [("2999-01", "future_period"), ("2026-13", "invalid_period"), ("soon", "invalid_period")]
)
def test_an_invalid_or_future_month_is_refused(operator: Api, period: str, code: str) -> None:
    problem = problem_of(operator.post("/operator/invoices", {"period": period}), 422)
    assert [(error["pointer"], error["code"]) for error in problem["errors"]] == [("/period", code)]


def test_a_run_for_an_unknown_tenant_is_404(operator: Api) -> None:
    problem_of(operator.post("/operator/invoices", {"period": "2026-01", "tenant": "unknown"}), 404)


def test_a_tenants_own_key_cannot_start_a_run(db: None) -> None:
    key, secret = make_key(subscribe_tenant().tenant, scopes=SCOPES_FOR_TENANT_KEYS)
    problem_of(Api(secret, key).post("/operator/invoices", {"period": "2026-01"}), 403)
