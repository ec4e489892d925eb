"""Whether the rollups have all that a meter counts."""

from metering.domain.aggregations.latest import LATEST
from metering.domain.aggregations.sum import SUM
from metering.domain.meter_rules import MeterRule


def test_usage_is_in_the_rollups_if_its_kind_merges_and_they_are_filled() -> None:
    rule = MeterRule(1, "m", "call", SUM)
    assert rule.is_in_rollups
    assert not rule._replace(is_filled=False).is_in_rollups
    assert not rule._replace(aggregation=LATEST).is_in_rollups
