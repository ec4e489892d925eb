"""What the demo's main customer set to be told in time, and what was found: anomalies, predicted crossings."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Final

from accounts.domain.actor import Actor
from accounts.models import Tenant
from config.workbench.demo.cast import MAIN_TENANT
from metering.alerts.domain.own_thresholds import OwnThresholdTerms
from metering.alerts.models import OwnThreshold
from metering.alerts.services.anomalies import find_anomalies
from metering.alerts.services.crossings import predict_crossings
from metering.alerts.services.own_thresholds import create_own_threshold
from metering.domain.budgets import BudgetScope, BudgetTerms
from metering.domain.http_requests import API_REQUESTS
from metering.domain.periods import Period
from metering.models import Budget
from metering.selectors.budget_usage import budget_windows
from metering.services.budgets import change_budget, create_budget

# The limit of the budget in money leaves so much: it is used by 93 percent.
_LEFT: Final = Decimal("1.08")
_MAJOR: Final = Decimal(100)
_AMOUNT_MIN: Final = Decimal(10_000)
ANOMALY_DAYS: Final = 7
CROSSING_DAYS: Final = 45
_PASS: Final = timedelta(hours=6)
_DAY: Final = timedelta(days=1)


def ensure_own_limits(*, tenant: Tenant, actor: Actor, as_of: datetime) -> None:
    """Create two budgets, of which one is nearly used up, and two own thresholds, unless there are some."""
    if not Budget.objects.filter(tenant=tenant).exists():
        money = BudgetTerms(BudgetScope.TENANT, Period.BILLING, _AMOUNT_MIN, currency=tenant.currency)
        requests = BudgetTerms(BudgetScope.SUBJECT, Period.DAY, Decimal(500), scope_id="ann", meter_code=API_REQUESTS)
        budget = create_budget(tenant=tenant, terms=money, actor=actor, as_of=as_of)
        create_budget(tenant=tenant, terms=requests, actor=actor, as_of=as_of)
        change_budget(budget=budget, actor=actor, as_of=as_of, limit=_limit_of(budget, as_of))
    if not OwnThreshold.objects.filter(tenant=tenant).exists():
        for terms in (
            OwnThresholdTerms(API_REQUESTS, Period.MONTH, percent=50),
            OwnThresholdTerms("api_bytes", Period.MONTH, quantity=Decimal(20_000_000)),
        ):
            create_own_threshold(tenant=tenant, terms=terms, actor=actor, as_of=as_of)


def add_findings(*, tenants: Sequence[Tenant], as_of: datetime) -> None:
    """Look for anomalies of the main customer in the last days, and predict crossings of all, as the schedule would."""
    main = [tenant.pk for tenant in tenants if tenant.slug == MAIN_TENANT]
    moment = as_of - ANOMALY_DAYS * _DAY
    while moment <= as_of:
        find_anomalies(as_of=moment, tenant_ids=main)
        moment += _PASS
    moment = as_of - CROSSING_DAYS * _DAY
    while moment <= as_of:
        predict_crossings(as_of=moment, tenant_ids=[tenant.pk for tenant in tenants])
        moment += _DAY


def _limit_of(budget: Budget, as_of: datetime) -> Decimal:
    """Return a limit that is nearly used up, in whole major units; a usual one before anything is spent."""
    spent = max((window.used for window in budget_windows(as_of=as_of, budget_ids=[budget.pk])), default=Decimal(0))
    return max((spent * _LEFT / _MAJOR).to_integral_value(ROUND_CEILING) * _MAJOR, _MAJOR) if spent else _AMOUNT_MIN
