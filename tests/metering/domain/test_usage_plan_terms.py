"""Valid and invalid terms of a usage plan."""

from decimal import Decimal

import pytest

from accounts.errors import InvalidFieldsError
from metering.domain.limit_scopes import LimitScope
from metering.domain.periods import Period
from metering.domain.usage_plan_terms import QuotaTerms, ThrottleTerms, UsagePlanTerms, check_terms

SUBJECT = LimitScope.SUBJECT


def quota(limit: str = "1", meter_code: str = "api_requests", period: Period = Period.MONTH) -> QuotaTerms:
    return QuotaTerms(meter_code, Decimal(limit), period)


@pytest.mark.parametrize(
    "terms",
    [
        UsagePlanTerms("Free"),
        UsagePlanTerms("Fast", throttle_rate=1, throttle_burst=1),
        UsagePlanTerms("Each", quotas=(quota(), QuotaTerms("api_requests", Decimal(1), scope=SUBJECT))),
        UsagePlanTerms("Some", throttles=(ThrottleTerms(1, 1, SUBJECT), ThrottleTerms(1, 1, event_type="call"))),
        UsagePlanTerms("Fastest", throttle_rate=10**6, throttle_burst=10**9),
        UsagePlanTerms(
            "Bounds", quotas=(quota("0"), quota("99999999999.999999999", period=Period.DAY), quota("1", "api_bytes"))
        ),
    ],
)
def test_valid_usage_plan_terms_are_accepted(terms: UsagePlanTerms) -> None:
    check_terms(terms)


@pytest.mark.parametrize(
    ("terms", "pointers"),
    [
        (UsagePlanTerms("  "), ["/name"]),
        (UsagePlanTerms("x" * 121), ["/name"]),
        (UsagePlanTerms("Half", throttle_rate=1), ["/throttle"]),
        (UsagePlanTerms("Half", throttle_burst=1), ["/throttle"]),
        (UsagePlanTerms("None", throttle_rate=0, throttle_burst=0), ["/throttle/rate", "/throttle/burst"]),
        (
            UsagePlanTerms("Much", throttle_rate=10**6 + 1, throttle_burst=10**9 + 1),
            ["/throttle/rate", "/throttle/burst"],
        ),
        (UsagePlanTerms("Less", quotas=(quota("-1"),)), ["/quotas/0/limit"]),
        (UsagePlanTerms("More", quotas=(quota(), quota("100000000000", "api_bytes"))), ["/quotas/1/limit"]),
        (UsagePlanTerms("Fine", quotas=(quota("0.0000000001"),)), ["/quotas/0/limit"]),
        (UsagePlanTerms("Long", quotas=(quota("0." + "1" * 40),)), ["/quotas/0/limit"]),
        (UsagePlanTerms("NaN", quotas=(quota("NaN"),)), ["/quotas/0/limit"]),
        (UsagePlanTerms("Twice", quotas=(quota(), quota("2"))), ["/quotas/1"]),
        (UsagePlanTerms("All", throttles=(ThrottleTerms(1, 1),)), ["/throttles/0"]),
        (UsagePlanTerms("Slow", throttles=(ThrottleTerms(0, 1, SUBJECT),)), ["/throttles/0/rate"]),
        (UsagePlanTerms("Twice", throttles=(ThrottleTerms(1, 1, SUBJECT),) * 2), ["/throttles/1"]),
    ],
)
def test_invalid_usage_plan_terms_are_named(terms: UsagePlanTerms, pointers: list[str]) -> None:
    with pytest.raises(InvalidFieldsError) as refusal:
        check_terms(terms)
    assert [error.pointer for error in refusal.value.field_errors] == pointers
