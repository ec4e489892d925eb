"""The events that meters counted, as leaves in a file: the same that their sum was computed from."""

from collections.abc import Sequence
from datetime import timedelta
from tempfile import TemporaryFile

import pytest

from metering.domain.ledger import Ledger
from metering.domain.periods import Span
from metering.models import Meter
from metering.proofs.domain.trees import leaf_hash
from metering.proofs.selectors.counted import CountedLeaf, CountedSpan, copy_counted_leaves, read_counted_leaves
from metering.selectors.catalog import versions_of
from tests.metering.ledger_world import make_meter
from tests.metering.proofs.proof_world import noon, proven_tenant, use

pytestmark = pytest.mark.django_db


def counted(ledger: Ledger, spans: Sequence[CountedSpan], *, has_content: bool = True) -> list[CountedLeaf]:
    with TemporaryFile() as file:
        rules = versions_of({one.meter_id for one in spans})
        copy_counted_leaves(ledger, spans, rules, has_content=has_content, to=file)
        return list(read_counted_leaves(file))


def span_of(code: str, position: int = 1, *, start: int = 0, end: int = 9) -> CountedSpan:
    return CountedSpan(position, Meter.objects.get(code=code).pk, Span(noon(start), noon(end)), noon(20))


def test_an_event_of_two_spans_is_there_once_and_names_both() -> None:
    _, ledger = proven_tenant()
    make_meter("sizes", "proven_call", aggregation="sum", value_property="size")
    use(ledger, "a", "b", at=noon(), properties={"size": 3, "path": "tab\tand\nline ä"})
    [one, two] = counted(ledger, [span_of("calls_acme"), span_of("sizes", 2)])
    assert (one.positions, two.positions) == ((1, 2), (1, 2))
    assert one.leaf < two.leaf
    assert one.content is not None
    assert leaf_hash(one.content.encode()) == one.leaf
    assert one.day == noon().date()


def test_without_contents_there_are_leaves_alone() -> None:
    _, ledger = proven_tenant()
    use(ledger, "a", at=noon())
    [one] = counted(ledger, [span_of("calls_acme")], has_content=False)
    assert one.content is None


def test_only_what_occurred_in_the_span_and_passes_the_filters_is_there() -> None:
    _, ledger = proven_tenant()
    make_meter("big", "proven_call", filters={"size": {"gte": "2"}})
    use(ledger, "early", at=noon() - timedelta(seconds=1), properties={"size": 5})
    use(ledger, "small", at=noon(), properties={"size": 1})
    use(ledger, "big", at=noon(1), properties={"size": 2})
    use(ledger, "end", at=noon(2), properties={"size": 9})
    [one] = counted(ledger, [span_of("big", end=2)])
    assert '"big"' in (one.content or "")


def test_another_tenant_and_the_test_half_are_not_read() -> None:
    _, ledger = proven_tenant()
    _, other = proven_tenant("globex")
    use(other, "theirs", at=noon())
    assert counted(ledger, [span_of("calls_acme")]) == []
