"""Usage plans: created, changed and assigned, each once, with an audit entry that holds what was before."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from pytest_django import Settings

from accounts.domain.actor import Actor
from accounts.errors import InvalidFieldsError
from accounts.models import AuditEntry, Tenant
from metering.domain.aggregations.description import Aggregation
from metering.domain.aggregations.registry import AGGREGATIONS
from metering.domain.limit_scopes import LimitScope
from metering.domain.periods import Period
from metering.domain.usage_plan_terms import QuotaTerms, ThrottleTerms, UsagePlanTerms
from metering.errors import CodeTakenError, UnknownEventTypeCodeError, UnknownMeterError
from metering.models import UsagePlan, UsagePlanAssignment, UsagePlanQuota
from metering.selectors.limits import tenant_limits
from metering.services.limits import policies
from metering.services.limits.counting import ingest_and_count
from metering.services.usage_plans import (
    assign_default_usage_plan,
    assign_usage_plan,
    create_usage_plan,
    default_usage_plan,
    update_usage_plan,
)
from tests.metering.ledger_world import make_meter, make_tenant
from tests.metering.services.limits.limit_world import caller_on_plan, quota_of

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
OPERATOR = Actor.system("operator")
STARTER = UsagePlanTerms(
    "Starter",
    throttle_rate=10,
    throttle_burst=20,
    quotas=(
        QuotaTerms("api_requests", Decimal(1000)),
        QuotaTerms("api_bytes", Decimal("2.5"), Period.DAY, is_hard=False),
    ),
)

pytestmark = pytest.mark.django_db


def create(code: str = "starter", terms: UsagePlanTerms = STARTER) -> UsagePlan:
    return create_usage_plan(code=code, terms=terms, actor=OPERATOR, as_of=NOW)


@pytest.fixture
def acme() -> Tenant:
    return make_tenant("acme")


def audited(action: str) -> list[tuple[object, object]]:
    return [(entry.before, entry.after) for entry in AuditEntry.objects.filter(action=action).order_by("id")]


def test_throttles_of_subjects_and_types_are_replaced_and_audited(acme: Tenant) -> None:
    plan = create(terms=UsagePlanTerms("Plan", throttles=(ThrottleTerms(1, 2, LimitScope.SUBJECT),)))
    assign_usage_plan(tenant=acme, usage_plan=plan, actor=OPERATOR, as_of=NOW)
    [before] = tenant_limits(acme.pk).throttles
    assert (before.name, before.rate, before.about) == ("subject-throttle", 1, "each subject")
    terms = UsagePlanTerms("Plan", throttles=(ThrottleTerms(3, 4, event_type="http_request"),))
    update_usage_plan(usage_plan=plan, terms=terms, actor=OPERATOR, as_of=NOW)
    [after] = tenant_limits(acme.pk).throttles
    assert (after.name, after.burst, after.about) == ("throttle-http_request", 4, "http_request")
    [(_, audit)] = audited("usage_plan.updated")
    assert isinstance(audit, dict)
    assert audit["throttles"] == ["3/s, burst 4 http_request only"]
    unknown = UsagePlanTerms("Plan", throttles=(ThrottleTerms(3, 4, event_type="nonesuch"),))
    with pytest.raises(UnknownEventTypeCodeError):
        update_usage_plan(usage_plan=plan, terms=unknown, actor=OPERATOR, as_of=NOW)


def test_a_usage_plan_is_created_with_its_throttle_and_quotas() -> None:
    usage_plan = create()
    assert (usage_plan.throttle_rate, usage_plan.throttle_burst, usage_plan.is_default) == (10, 20, False)
    quotas = usage_plan.quotas.values_list("meter__code", "period", "limit", "is_hard")
    assert sorted(quotas) == [("api_bytes", "day", Decimal("2.5"), False), ("api_requests", "month", 1000, True)]
    [(before, after)] = audited("usage_plan.created")
    assert before == {}
    assert isinstance(after, dict)
    assert after["quotas"] == ["2.5 api_bytes a day, soft", "1000 api_requests a month, hard"]


def test_the_code_of_a_usage_plan_is_given_once() -> None:
    create()
    with pytest.raises(CodeTakenError):
        create()
    assert UsagePlan.objects.filter(code="starter").count() == 1


@pytest.mark.parametrize("code", ["", "Starter", "7up", "a b", "a" * 101, "a\n"])
def test_the_code_of_a_usage_plan_has_a_form(code: str) -> None:
    with pytest.raises(InvalidFieldsError):
        create(code)


def test_invalid_usage_plan_terms_are_refused_whole() -> None:
    with pytest.raises(InvalidFieldsError):
        create(terms=UsagePlanTerms("Bad", throttle_rate=1))
    with pytest.raises(UnknownMeterError):
        create(terms=UsagePlanTerms("Bad", quotas=(QuotaTerms("unheard_of", Decimal(1)),)))
    assert not UsagePlan.objects.filter(code="starter").exists()


def test_a_change_of_a_usage_plan_replaces_its_terms_and_records_the_old_ones() -> None:
    usage_plan = create()
    terms = UsagePlanTerms("Starter 2", quotas=(QuotaTerms("api_requests", Decimal(5)),))
    changed = update_usage_plan(usage_plan=usage_plan, terms=terms, actor=OPERATOR, as_of=NOW)
    assert (changed.name, changed.throttle_rate) == ("Starter 2", None)
    assert list(changed.quotas.values_list("limit", flat=True)) == [5]
    [(before, after)] = audited("usage_plan.updated")
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert (before["name"], after["name"]) == ("Starter", "Starter 2")


def test_an_unchanged_usage_plan_leaves_no_audit_entry() -> None:
    update_usage_plan(usage_plan=create(), terms=STARTER, actor=OPERATOR, as_of=NOW)
    assert audited("usage_plan.updated") == []
    assert UsagePlanQuota.objects.filter(usage_plan__code="starter").count() == 2


def test_there_is_one_default_usage_plan_and_the_newest_replaces_the_last(acme: Tenant) -> None:
    UsagePlan.objects.update(is_default=False)
    assert default_usage_plan() is None
    assert assign_default_usage_plan(tenant=acme, actor=OPERATOR, as_of=NOW) is None
    first = create("first", UsagePlanTerms("First", is_default=True))
    second = create("second", UsagePlanTerms("Second", is_default=True))
    assert default_usage_plan() == second
    update_usage_plan(usage_plan=first, terms=UsagePlanTerms("First", is_default=True), actor=OPERATOR, as_of=NOW)
    assert default_usage_plan() == first
    assert assign_default_usage_plan(tenant=acme, actor=OPERATOR, as_of=NOW) == first
    assert UsagePlanAssignment.objects.get(tenant=acme).usage_plan == first


def test_an_assignment_of_a_usage_plan_applies_at_once_and_is_audited(acme: Tenant) -> None:
    starter, other = create(), create("other", UsagePlanTerms("Other"))
    assert tenant_limits(acme.pk).plan_code == ""
    for usage_plan in (starter, other):
        assert assign_usage_plan(tenant=acme, usage_plan=usage_plan, actor=OPERATOR, as_of=NOW)
        assert tenant_limits(acme.pk).plan_code == usage_plan.code
    assert not assign_usage_plan(tenant=acme, usage_plan=other, actor=OPERATOR, as_of=NOW), "it is on this plan already"
    assert assign_usage_plan(tenant=acme, usage_plan=None, actor=OPERATOR, as_of=NOW)
    assert tenant_limits(acme.pk).quotas == ()
    assert [after["usage_plan"] for _, after in audited("tenant.usage_plan_assigned")] == ["starter", "other", None]  # type: ignore[index] # it is JSON


def test_the_limits_of_a_usage_plan_have_different_names(acme: Tenant) -> None:
    assign_usage_plan(tenant=acme, usage_plan=create(), actor=OPERATOR, as_of=NOW)
    limits = tenant_limits(acme.pk)
    assert [throttle.name for throttle in limits.throttles] == ["throttle"]
    assert [quota.name for quota in limits.quotas] == ["quota-api_bytes-day", "quota"]


@pytest.mark.parametrize("kind", AGGREGATIONS, ids=str)
def test_a_quota_is_of_a_kind_that_adds_up_by_a_formula_too(kind: Aggregation) -> None:
    make_meter("limited", "http_request", aggregation=kind.code, formula="size * 2" if kind.takes_formula else "")
    terms = UsagePlanTerms("Starter", quotas=(QuotaTerms("limited", Decimal(5)),))
    if kind.is_additive:
        assert create_usage_plan(code="limited", terms=terms, actor=OPERATOR, as_of=NOW).quotas.count() == 1
        return
    with pytest.raises(InvalidFieldsError) as refused:
        create_usage_plan(code="limited", terms=terms, actor=OPERATOR, as_of=NOW)
    assert [error.code for error in refused.value.field_errors] == ["not_additive"]


@pytest.mark.django_db(transaction=True)
def test_what_was_reported_without_a_plan_counts_once_the_plan_is_assigned_again(settings: Settings) -> None:
    settings.REDIS_URL = ""
    caller = caller_on_plan(NOW, [quota_of("5")])
    plan = UsagePlan.objects.get()
    assert caller.passes(NOW, 2) == [True, True]
    assign_usage_plan(tenant=caller.model, usage_plan=None, actor=OPERATOR, as_of=NOW)
    forget_changes_of_plans()
    events = [caller.event(NOW) for _ in range(3)]
    for event in events:
        ingest_and_count(principal=caller.principal, tenant=caller.tenant, events=[event], as_of=NOW)

    assign_usage_plan(tenant=caller.model, usage_plan=plan, actor=OPERATOR, as_of=NOW)
    forget_changes_of_plans()  # as in a process that has just begun

    assert caller.passes(NOW) == [False]


def forget_changes_of_plans() -> None:
    """Forget with which quotas this process has counted."""
    policies._counted_with.forget_all()
