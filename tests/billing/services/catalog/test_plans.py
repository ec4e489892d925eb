"""Creating plans and their versions: what is refused, what is recorded, and that a version never changes its terms."""

import threading
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from accounts.errors import ConflictError, InvalidFieldsError, NotFoundError
from accounts.models import AuditEntry
from billing.domain.plan_terms import PriceOffer, VersionOffer, digest_of
from billing.domain.prices import Flat, Graduated, PerUnit, Tier
from billing.errors import PlanExistsError, UnknownPlanError
from billing.models import Plan, PlanVersion, Price
from billing.selectors.catalog.plans import newest_version, plans_for_sale, sold_version
from billing.services.catalog.plans import archive_plan, create_plan, publish_version, update_plan
from metering.domain.aggregations.description import Aggregation
from metering.domain.aggregations.registry import AGGREGATIONS
from metering.errors import UnknownMeterError
from tests.billing.world import MARCH, STAFF, make_plan
from tests.metering.ledger_world import make_meter

pytestmark = pytest.mark.django_db

FEE = PriceOffer("EUR", Flat(Decimal(49)))
CALLS = PriceOffer("EUR", Graduated((Tier(Decimal(1000), Decimal(0)), Tier(None, Decimal("0.0005")))), "calls")


def refusals(error: pytest.ExceptionInfo[InvalidFieldsError]) -> list[tuple[str, str]]:
    return [(refused.pointer, refused.code) for refused in error.value.field_errors]


def actions() -> list[str]:
    return list(AuditEntry.objects.filter(action__startswith="plan.").order_by("id").values_list("action", flat=True))


def test_a_plan_is_created_once() -> None:
    plan = create_plan(code="pro", name=" Pro ", description=" For teams. ", position=3, actor=STAFF, as_of=MARCH)
    assert (plan.name, plan.description, plan.is_public, plan.position) == ("Pro", "For teams.", True, 3)
    assert (plan.mark, plan.features) == ("", "")
    with pytest.raises(PlanExistsError):
        create_plan(code="pro", name="Other", actor=STAFF, as_of=MARCH)
    assert actions() == ["plan.created"]
    with pytest.raises(UnknownPlanError):
        newest_version("pro")


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"code": ""}, ("/code", "invalid_code")),
        ({"code": "Pro"}, ("/code", "invalid_code")),
        ({"code": "1pro"}, ("/code", "invalid_code")),
        ({"code": "p" * 51}, ("/code", "invalid_code")),
        ({"code": "pro\n"}, ("/code", "invalid_code")),
        ({"name": "  "}, ("/name", "blank")),
        ({"name": "x" * 121}, ("/name", "too_long")),
        ({"name": "Pro\x00"}, ("/name", "invalid_characters")),
        ({"position": -1}, ("/position", "invalid_position")),
        ({"position": 32768}, ("/position", "invalid_position")),
        ({"mark": "m" * 31}, ("/mark", "too_long")),
        ({"mark": "a\nb"}, ("/mark", "invalid_characters")),
        ({"features": "f" * 121}, ("/features", "too_long")),
        ({"features": "a\nb\x00"}, ("/features", "invalid_characters")),
        ({"features": "\n".join(str(number) for number in range(31))}, ("/features", "too_many")),
    ],
)
def test_an_invalid_plan_is_refused_by_field(fields: dict[str, Any], refused: tuple[str, str]) -> None:
    with pytest.raises(InvalidFieldsError) as error:
        create_plan(**({"code": "pro", "name": "Pro"} | fields), actor=STAFF, as_of=MARCH)
    assert refusals(error) == [refused]
    assert not Plan.objects.exists()


def test_the_presentation_of_a_plan_may_change() -> None:
    plan = create_plan(code="pro", name="Pro", actor=STAFF, as_of=MARCH)
    changed = update_plan(
        plan=plan, changes={"name": " Pro+ ", "mark": "Most chosen ", "is_public": False}, actor=STAFF, as_of=MARCH
    )
    assert (changed.name, changed.mark, changed.is_public) == ("Pro+", "Most chosen", False)
    assert update_plan(plan=plan, changes={"name": "Pro+"}, actor=STAFF, as_of=MARCH).name == "Pro+"
    assert actions() == ["plan.created", "plan.updated"]
    entry = AuditEntry.objects.get(action="plan.updated")
    assert (entry.before["name"], entry.after["name"]) == ("Pro", "Pro+")
    with pytest.raises(InvalidFieldsError):
        update_plan(plan=plan, changes={"name": ""}, actor=STAFF, as_of=MARCH)
    with pytest.raises(AssertionError):
        update_plan(plan=plan, changes={"code": "other"}, actor=STAFF, as_of=MARCH)


def test_an_archived_plan_is_not_sold_and_archived_once() -> None:
    version = make_plan()
    for days in (0, 1):
        archive_plan(plan=version.plan, actor=STAFF, as_of=MARCH + timedelta(days=days))
    assert Plan.objects.get().archived_at == MARCH
    assert actions().count("plan.archived") == 1
    assert plans_for_sale() == []
    with pytest.raises(UnknownPlanError):
        newest_version("pro", is_public_only=False)


def test_a_version_keeps_all_of_its_terms() -> None:
    plan = make_plan().plan
    offer = VersionOffer("pro", (FEE, CALLS, PriceOffer("JPY", Flat(Decimal(8000)))), trial_days=14)
    version = publish_version(plan=plan, offer=offer, actor=STAFF, as_of=MARCH)
    assert (version.number, version.trial_days) == (2, 14)
    sold = sold_version(version.pk)
    assert sold.currencies == ["EUR", "JPY"]
    assert [(price.meter_code, price.terms) for price in sold.usage_prices("EUR")] == [("calls", CALLS.terms)]
    facts = {"plan_code": "pro", "number": 2, "trial_days": 14, "usage_plan_code": "pro"}
    assert sold.digest == digest_of(**facts, prices=offer.prices)  # type: ignore[arg-type]
    entry = AuditEntry.objects.filter(action="plan.version_published").latest("id")
    assert entry.after["EUR fee"] == {"amount": "49"}
    assert newest_version("pro") == version


def test_staff_sell_plans_that_are_not_public() -> None:
    version = make_plan()
    update_plan(plan=version.plan, changes={"is_public": False}, actor=STAFF, as_of=MARCH)
    with pytest.raises(UnknownPlanError):
        newest_version("pro")
    assert newest_version("pro", is_public_only=False) == version


@pytest.mark.parametrize("code", ["", "nothing", "\x00", "pro\x00", "\ud7ff" * 9, "x" * 10_000])
def test_any_text_is_a_plan_code_or_refused(code: str) -> None:
    make_plan()
    with pytest.raises(UnknownPlanError):
        newest_version(code)


def test_an_unknown_version_is_not_found() -> None:
    with pytest.raises(NotFoundError):
        sold_version(0)


def test_a_version_needs_meters_and_limits_that_exist() -> None:
    plan = make_plan().plan
    with pytest.raises(UnknownMeterError):
        publish_version(
            plan=plan,
            offer=VersionOffer("pro", (FEE, PriceOffer("EUR", PerUnit(Decimal(1)), "ghosts"))),
            actor=STAFF,
            as_of=MARCH,
        )
    make_meter("peak", "http_request", aggregation="max", value_property="size")
    peak = VersionOffer("pro", (FEE, PriceOffer("EUR", PerUnit(Decimal(1)), "peak")))
    with pytest.raises(InvalidFieldsError, match="do not add up") as error:
        publish_version(plan=plan, offer=peak, actor=STAFF, as_of=MARCH)
    assert refusals(error) == [("/prices", "meter_not_additive")]
    with pytest.raises(InvalidFieldsError) as error:
        publish_version(plan=plan, offer=VersionOffer("ghost", (FEE,)), actor=STAFF, as_of=MARCH)
    assert refusals(error) == [("/usage_plan", "unknown_usage_plan")]
    with pytest.raises(InvalidFieldsError):
        publish_version(plan=plan, offer=VersionOffer("pro", ()), actor=STAFF, as_of=MARCH)
    assert (PlanVersion.objects.count(), Price.objects.count()) == (1, 2)


def test_staff_who_saw_an_older_version_publish_none() -> None:
    plan = make_plan().plan
    offer = VersionOffer("pro", (FEE,))
    publish_version(plan=plan, offer=offer, actor=STAFF, as_of=MARCH, expected_number=2)
    with pytest.raises(ConflictError):
        publish_version(plan=plan, offer=offer, actor=STAFF, as_of=MARCH, expected_number=2)
    assert PlanVersion.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_versions_published_at_once_are_numbered_one_after_the_other() -> None:
    plan = make_plan().plan
    start = threading.Barrier(4)

    def publish() -> None:
        try:
            start.wait(timeout=30)
            publish_version(plan=plan, offer=VersionOffer("pro", (FEE,)), actor=STAFF, as_of=MARCH)
        finally:
            connection.close()

    threads = [threading.Thread(target=publish) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(PlanVersion.objects.values_list("number", flat=True)) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("kind", AGGREGATIONS, ids=str)
@pytest.mark.parametrize("is_computed", [False, True], ids=["plain", "by a formula"])
def test_every_kind_is_sold_or_refused_with_and_without_a_formula(kind: Aggregation, *, is_computed: bool) -> None:
    if is_computed and not kind.takes_formula:
        pytest.skip("such a kind has no formula")
    make_meter("sold", "http_request", aggregation=kind.code, formula="size * 2" if is_computed else "")
    plan = make_plan().plan
    offer = VersionOffer("pro", (FEE, PriceOffer("EUR", PerUnit(Decimal(1)), "sold")))
    if kind.is_divisible:
        assert publish_version(plan=plan, offer=offer, actor=STAFF, as_of=MARCH).prices.filter(meter__code="sold")
        return
    with pytest.raises(InvalidFieldsError, match=f"{kind.name.lower()}") as error:
        publish_version(plan=plan, offer=offer, actor=STAFF, as_of=MARCH)
    assert refusals(error) == [("/prices", "meter_not_additive")]
