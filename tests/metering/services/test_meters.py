"""Meters: created, changed until they count, and only renamed afterwards."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from accounts.domain.actor import Actor
from accounts.errors import InvalidFieldsError
from accounts.models import AuditEntry
from metering.domain.meter_terms import COUNTS_AFTER, MeterTerms
from metering.domain.usage_plan_terms import QuotaTerms, UsagePlanTerms
from metering.errors import CodeTakenError, InUseError, MeterFixedError
from metering.models import Meter
from metering.selectors.catalog import meter_rules
from metering.services.meters import create_meter, delete_meter, terms_of, update_meter
from metering.services.usage_plans import create_usage_plan

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
OPERATOR = Actor.system("operator")
ERRORS = MeterTerms("errors", "Errors", "requests", "http_request", filters={"status": ("500", "503")})

pytestmark = pytest.mark.django_db


def create(terms: MeterTerms = ERRORS, counts_from: datetime | None = None) -> Meter:
    return create_meter(terms=terms, actor=OPERATOR, as_of=NOW, counts_from=counts_from)


def test_a_meter_counts_as_soon_as_every_process_knows_it() -> None:
    assert create().counts_from == NOW + COUNTS_AFTER
    later = NOW + timedelta(days=1)
    assert create(replace(ERRORS, code="later"), counts_from=later).counts_from == later
    assert create(replace(ERRORS, code="before"), counts_from=NOW).counts_from == NOW + COUNTS_AFTER
    assert {"errors", "later", "before"} <= {rule.code for rule in meter_rules()}


def test_the_terms_of_a_meter_are_stored_as_given_and_recorded() -> None:
    assert terms_of(create()) == ERRORS
    entry = AuditEntry.objects.get(action="meter.created")
    assert (entry.target_label, entry.after["filters"]) == ("errors", {"status": ["500", "503"]})


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"code": "With Blanks"}, "/code"),
        ({"name": " "}, "/name"),
        ({"unit": "x" * 31}, "/unit"),
        ({"event_type": "unheard_of"}, "/event_type"),
        ({"aggregation": "median"}, "/aggregation"),
        ({"value_property": "bytes"}, "/value_property"),
        ({"aggregation": "sum", "value_property": "x" * 101}, "/value_property"),
        ({"dimensions": ("a", "a")}, "/dimensions"),
        ({"dimensions": tuple("abcdefghijk")}, "/dimensions"),
        ({"dimensions": (" a",)}, "/dimensions"),
        ({"formula": "size"}, "/formula"),
        ({"aggregation": "unique", "formula": "size"}, "/formula"),
        ({"aggregation": "sum", "formula": "size +"}, "/formula"),
        ({"aggregation": "sum", "formula": "size", "value_property": "size"}, "/formula"),
        ({"filters": {"status": ()}}, "/filters"),
        ({"filters": {"status": (500,)}}, "/filters"),
        ({"filters": {"status": {"like": "5%"}}}, "/filters"),
    ],
)
def test_a_meter_that_could_not_count_is_refused(change: dict[str, object], pointer: str) -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        create(replace(ERRORS, **change))
    assert [error.pointer for error in refused.value.field_errors] == [pointer]
    assert not Meter.objects.filter(code="errors").exists()


def test_conditions_are_kept_exactly_and_are_part_of_the_rule() -> None:
    large = replace(ERRORS, filters={"size": {"gte": "0.5", "lt": 7}, "user": {"exists": True}})
    meter = create(large)
    assert meter.filters == {"size": {"gte": "0.5", "lt": "7"}, "user": {"exists": True}}
    renamed = replace(large, name="Large")
    assert update_meter(meter=meter, terms=renamed, actor=OPERATOR, as_of=NOW + COUNTS_AFTER).name == "Large"
    wider = replace(large, filters={"size": {"gte": "0.4", "lt": 7}, "user": {"exists": True}})
    with pytest.raises(MeterFixedError):
        update_meter(meter=meter, terms=wider, actor=OPERATOR, as_of=NOW + COUNTS_AFTER)


def test_the_code_of_a_meter_is_given_once() -> None:
    create()
    with pytest.raises(CodeTakenError):
        create()
    other = create(replace(ERRORS, code="other"))
    with pytest.raises(CodeTakenError):
        update_meter(meter=other, terms=ERRORS, actor=OPERATOR, as_of=NOW)


def test_a_meter_is_changed_until_it_counts() -> None:
    meter = create()
    terms = replace(ERRORS, code="failures", filters={})
    changed = update_meter(meter=meter, terms=terms, actor=OPERATOR, as_of=NOW + timedelta(seconds=5))
    assert (changed.code, changed.counts_from) == ("failures", NOW + timedelta(seconds=5) + COUNTS_AFTER)
    [entry] = AuditEntry.objects.filter(action="meter.updated")
    assert (entry.before["code"], entry.after["code"]) == ("errors", "failures")
    assert set(entry.after) == {"code", "filters", "counts_from"}


def test_a_meter_that_counts_is_only_renamed() -> None:
    meter, later = create(), NOW + COUNTS_AFTER
    renamed = update_meter(meter=meter, terms=replace(ERRORS, name="Failures"), actor=OPERATOR, as_of=later)
    assert (renamed.name, renamed.counts_from) == ("Failures", later)
    changes: list[dict[str, object]] = [{"code": "other"}, {"filters": {}}, {"aggregation": "sum"}]
    for change in changes:
        with pytest.raises(MeterFixedError):
            update_meter(meter=meter, terms=replace(ERRORS, **change), actor=OPERATOR, as_of=later)
    with pytest.raises(MeterFixedError):
        delete_meter(meter=meter, actor=OPERATOR, as_of=later)


def test_an_unchanged_meter_leaves_no_audit_entry() -> None:
    meter = create()
    update_meter(meter=meter, terms=ERRORS, actor=OPERATOR, as_of=NOW + COUNTS_AFTER)
    assert not AuditEntry.objects.filter(action="meter.updated").exists()


def test_only_an_unused_meter_is_deleted() -> None:
    free, named = create(), create(replace(ERRORS, code="named"))
    terms = UsagePlanTerms("Starter", quotas=(QuotaTerms("named", Decimal(5)),))
    create_usage_plan(code="starter", terms=terms, actor=OPERATOR, as_of=NOW)
    delete_meter(meter=free, actor=OPERATOR, as_of=NOW)
    with pytest.raises(InUseError):
        delete_meter(meter=named, actor=OPERATOR, as_of=NOW)
    assert list(Meter.objects.filter(code__in=["errors", "named"])) == [named]
